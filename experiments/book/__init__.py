"""The results book: tables of the docs from records, and a record for every figure that stands in them.

python -m experiments.book build                    write everything that records say into docs/ anew
python -m experiments.book check                    what is out of date; exit code 1 if anything is
python -m experiments.book measure RUNS NAME        evaluate the runs in the folder RUNS, and record them
python -m experiments.book report NAME FILE         record the report.json of one `gibbsian evaluate`
python -m experiments.book run NAME -- COMMAND      record the Markdown table that a command prints
python -m experiments.book transcribe PAGE [...]    take a page's tables and figures over as they stand

A record is *measured* (a command wrote it; it holds the command, the machine and the date) or *transcribed*
(taken over from a page as it stood, beside the commands of its section; to be measured anew by these).
docs/records/NAME.json is one table that was measured; docs/records/PAGE.json is what was transcribed from
docs/PAGE.md, with a name for every table, and the figures of its sentences section by section.

In a page, the table between <!-- record: NAME --> and <!-- end --> is that of the record (PAGE/TABLE of one
that was transcribed), <!-- records --> begins the list of them all, and a figure before
<!-- RECORD; ROW; COLUMN --> is that cell. A table of a record may quote others: {RECORD; ROW; COLUMN}.
"""
