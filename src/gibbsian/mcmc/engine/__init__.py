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

**Blocks** (`compile=True` or "auto"). Several steps are put into one compiled graph. For that

1. the gradient is taken by `torch.func.grad`, which a tracer can follow (see `core.energy`);
2. the noise is drawn *before* the graph runs, from the same generator and in the same order as the steps
   would have drawn it. `noise` makes one step on a copy of the generator and writes down what it asks for;
   from then on `core.draws` draws that for each step, and the graph is given the numbers as inputs;
3. whatever changes from step to step must be an input, or each step would need a graph of its own. For
   Langevin that is the step size and the noise (`inputs`); a kernel that reads the number of steps made is
   not compiled;
4. the compiler is told what it does not see by itself (`rewriting`, on CPUs only).

`graph_key` says which chains share graphs: those whose kernel, energy, shapes and types lead to the same
operations. Weights and step sizes are inputs, so networks of one architecture share. The compiler itself
guards every graph by all that it was made for; the key only finds the right collection of graphs, and stops
one misbehaving energy from using up what is allowed for the others.

**Slices** (`slices`). The gradient of B chains is taken of some chains at a time, so that what autograd saves
fits into memory, and on CPUs into the caches. Chains stay together: kernels draw the same noise for all. A
block is made slice by slice in the same way, and what comes back is joined (`pieces`).

**One object** holds what is learnt on the way: `Engine` has the graphs by key (those used last), the noise
that steps ask for, the keys that could not be compiled, and the steps made without a graph. `run` has one for
the process; tests and benchmarks make their own. Nothing else in this package keeps state between calls.

**When it goes wrong**, nothing is lost: whatever the compiler raises becomes one line in the log, the key is
remembered, and the same steps are made without a graph on the noise that was drawn for them. Errors of this
library (a wrong shape, say) are the caller's and go through.

**"auto"** compiles chains of a key once they have made 30,000 steps without a graph in this process. Measured
on MLPs, convolutions and HMC, for jobs of a second to three hours, that takes 1.10 to 1.12 times as long as
the better of never and at once, where never takes 1.5 to 1.6 and at once 1.8 to 2.4. A record on the disk of
what chains took came to 1.01 to 1.14: too little for a file, a wait for the device at every step, and chains
that depend on the clock.

    blocks       `Blocks`, the steps of one run, block by block; made by `run`
    engine       `Engine`, the state
    graphs       the function that is compiled, and its compiled forms
    graph_key    what shares graphs, and how many steps one holds
    noise        what a step asks of its generator
    inputs       a kernel as a graph sees it
    pieces       slices of a state, cut and joined
    slices       the gradient some chains at a time
    memory       memory that is free
    recorded     `Recorded`, an energy whose gradient is replayed
    tape         the operations of one call
    operations   what operations do to what they are given
    replaying    a recording as a function
    layouts      its operations as they are quick on a CPU
    rewriting    rules for the compiler
"""
