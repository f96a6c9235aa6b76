"""The results book: tables of the docs from records, and a record for every figure that stands in them.

python -m experiments.book measure RUNS OUT.json [-n 179] [--draws 3]  evaluate and record the runs in RUNS
python -m experiments.book build                       write every table of docs/ anew from docs/records/
python -m experiments.book transcribe [PAGE ...]       take the figures of pages over, section by section
python -m experiments.book check                       what is out of date; exit code 1 if anything is

A record is measured (written by the command that it names) or transcribed (taken over from a page as it
stood, beside the commands of its section; to be measured anew by these). A table between the lines
<!-- record: NAME --> and <!-- end --> is that of docs/records/NAME.json.
"""
