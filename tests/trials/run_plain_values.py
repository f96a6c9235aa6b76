"""gb.run with what people pass first: rng=0 or None, a numpy position, an energy that returns a float, a tuple or None.
Right: works or one UsageError line. Wrong: AttributeError: 'int' object has no attribute 'take' and the like."""
import sys
import numpy as np, torch
import gibbsian as gb
from gibbsian.core.errors import GibbsianError

quad, x, rng = (lambda x: x.square().sum(1) / 2), torch.zeros(5, 2), gb.generator(0)
tries = {"rng=0": (quad, x, 0), "rng=None": (quad, x, None), "numpy position": (quad, np.zeros((5, 2)), rng),
         "energy float": (lambda x: 1.0, x, rng), "energy tuple": (lambda x: (quad(x), 0), x, rng),
         "energy None": (lambda x: None, x, rng), "n=3.0": None}
bad = []
for name, args in tries.items():
    try:
        if args is None:
            gb.sample(gb.build("short_run", {}, (1, 8, 8)).model, 3.0, steps=1)
        else:
            gb.run(gb.Langevin(0.1), args[0], args[1], steps=2, rng=args[2])
        print(name, "runs")
    except GibbsianError as error:
        print(name, "refused:", error)
    except Exception as error:
        print(name, "WRONG:", type(error).__name__, error)
        bad.append(name)
sys.exit(bool(bad))
