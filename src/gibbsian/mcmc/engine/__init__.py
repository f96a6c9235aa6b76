"""How chains are made fast, without a change to what they are.

`run` makes one step after another by `kernel.step(energy, state, rng)`. On small networks most of such a step
is overhead between operations, on large ones it is memory traffic. Three things help, and all leave the chain
what it was, up to rounding.

**Replays** (by default, on a CPU, for runs of ten gradients or more). The first gradient of a run is
recorded: every tensor operation on what depends on the position (`tape`). From then on neither autograd nor
modules are called, but a function with one line for each operation (`replaying`); now and then, from the
second gradient on, a call of the energy is compared with it (`recorded`). Weights are constants meanwhile,
so they are laid out as the processor likes them (`layouts`). A recording is made anew in each run, in the
time of three gradients of a small network: nothing can grow stale, no cache has to be right, and a chain does
not depend on what ran before it.

**Blocks** (`compile=True` or "auto"). Several steps are put into one compiled function. For that

1. the noise is drawn *before* it runs, from the same generator and in the same order as the steps would have
   drawn it. `noise` makes one step on a copy of the generator and writes down what it asks for; from then on
   `core.draws` draws that for each step, and the function is given the numbers;
2. whatever changes from step to step must be an input. For Langevin that is the step size and the noise
   (`inputs`); a kernel that reads the number of steps made is not compiled.

On a CPU the function is a *package* (`packaged`). One step of the run is taped as above and becomes a program
(`steps`, `program`): a list of operations as text, in which weights, labels, step sizes and other factors
(`lifting`) are inputs. So one text stands for all networks of one architecture, and its hash, together with
versions and the features of the processor, is the name under which machine code is looked for: in this
process, in the user's cache folder, and else it is built by a process of its own (`building`), which alone
loads the compiler and knows what that does not see by itself (`rewriting`). Building takes 10 to 60 seconds,
once on a machine; loading takes 2 milliseconds. A package is code, so the folder must be the user's own, and
what does not fit its seal is built again (`packages`). Nothing is believed: the first block that a package
makes in a process is compared with the steps themselves, and a step of every kind of chain with what was
traced.

On other devices the function is a graph of `torch.compile` (`graphed`, `graphs`), whose own guards tell
whether it may be used; `graph_key` only finds the right collection of graphs, and stops one misbehaving
energy from using up what is allowed for the others.

**Slices** (`slices`). The gradient of B chains is taken of some chains at a time, so that what autograd saves
fits into memory, and on CPUs into the caches. Chains stay together: kernels draw the same noise for all. A
block is made slice by slice in the same way, and what comes back is joined (`pieces`).

**One object** holds what is learnt on the way: `Engine` has packages and graphs (those used last), the noise
that steps ask for, the keys that could not be compiled, and the steps made without. `run` has one for the
process; tests and benchmarks make their own. Nothing else in this package keeps state between calls.

**When it goes wrong**, nothing is lost: whatever the compiler raises becomes one line in the log, the key is
remembered, and the same steps are made without a graph on the noise that was drawn for them. Errors of this
library (a wrong shape, say) are the caller's and go through.

**"auto"** uses packages that are there, from the first block on. One that is missing is begun in the
background once chains of its key have made 30,000 steps in this process, and used when it is there. (Graphs
are compiled at that point, while chains wait: for jobs of a second to three hours that takes 1.10 to 1.12
times as long as the better of never and at once.)

    blocks       `Blocks`, the steps of one run, block by block; made by `run`
    engine       `Engine`, the state
    packaged     blocks by packages
    steps        a step as a program, found by tracing one
    program      the program, as a function and as text
    lifting      factors as tensors
    packages     what is built, checked and loaded
    folder       where it is kept
    building     the process that builds
    graphed      blocks by graphs
    graphs       the function that is compiled, and its compiled forms
    graph_key    what shares graphs, and how many steps one holds
    noise        what a step asks of its generator
    inputs       a kernel as a graph sees it
    pieces       slices of a state, cut and joined
    slices       the gradient some chains at a time
    memory       memory that is free
    recorded     `Recorded`, an energy whose gradient is replayed
    tape         the operations of one call
    reads        what leaves torch meanwhile
    operations   what operations do to what they are given
    replaying    a recording as a function
    layouts      its operations as they are quick on a CPU
    rewriting    rules for the compiler
"""
