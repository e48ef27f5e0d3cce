"""Train a generator.

python examples/train.py [OUT STEPS [DATA ...]]

OUT is the folder of the run, DATA are data sets in any supported layout. Without arguments: the
recipe `quickstart` on the bundled people, two and a half minutes on two cores.
"""

import sys

import deformgan

out, steps, *data = sys.argv[1:] or ("runs/quickstart", "220")

weights = deformgan.train("quickstart", out, steps=int(steps), data=data)
print("Use it with deformgan.PoseTransfer.from_pretrained(", repr(str(weights)), ")", sep="")
