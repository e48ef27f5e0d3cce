"""Tolerances: three times the differences observed with a second implementation.

The golden folder's README states those differences ("observed"). A tolerance that it suggests takes
precedence; where it states nothing, the precision of the array decides. Networks, losses and
gradients are computed in double precision here and, unless stated otherwise, in single precision by
TensorFlow for the golden arrays. A difference is then TensorFlow's rounding error alone, and the
tolerance is tighter where that error is smaller than the difference of two single-precision runs.
"""

# Coordinates, lengths and transforms, in pixels. Suggested; observed: 3e-11.
TRANSFORM = 1e-6
# Heatmaps, whose maximum is 1. Suggested; observed: 3e-8.
HEATMAP = 1e-6
# Structural similarity, at most 1. Observed: 2e-16 with sums in the reference's order; in another
# order, the variances (small differences of large squares) lose three more digits.
SSIM = 1e-12
# Mean absolute differences of images in [-1, 1], in double precision.
L1 = 1e-12
# Scores from single-precision probabilities. Nothing stated; three rounding steps near 4.
INCEPTION = 1.5e-6
# Nearest-neighbour maps, relative to their largest value. Observed: 1.3e-6.
NEAREST_NEIGHBOUR = 4e-6
# Warped features of magnitude 8 at most, in single precision; gradients relative to the largest.
WARP = 1e-6
# Feature maps of the networks by image size. Observed: 1.3e-5 and 3e-4, which is TensorFlow's
# rounding: the shared folder differs by 9e-6 and 1.3e-4 in double precision as in single.
LAYERS = {"128x64": 4e-5, "256x256": 9e-4}
# Generated images. Observed: 2e-6 and 5e-5; in double precision 1e-6 and 2e-5, as in single.
OUTPUT = {"128x64": 6e-6, "256x256": 1.5e-4}
# VGG's features, relative to the largest. In double precision: 4.5e-7.
VGG = 2e-6
# Losses, relative to each term. Observed: 1e-5; in double precision 1.2e-6.
LOSS = 1e-5
# TensorFlow sums the 2e5 terms of total variation in single precision: its sum at 256x256 differs
# from the exact one by 3.7e-5.
VARIATION = 1.2e-4
# Gradients, relative to the largest entry. Observed: 6e-5; in double precision 3e-6, but TensorFlow
# itself may have a wrong sign. The gradient of a scale or shift is a small difference of large
# sums, and TensorFlow's rounding errors do not shrink with it (in double precision: 1.5e-6 of the
# file's largest). The floor is the minimum tolerance of an array, relative to the file's largest.
GRADIENT = 6e-5
GRADIENT_FLOOR = 0.1
# Gradients computed in double precision and stored in single, relative to the largest entry. In
# double precision: 4.5e-8.
GRADIENT_EXACT = 1e-6
# After five training steps: losses relative to each term, and the image. Observed: 1e-3 and 0.03.
FIVE_STEPS = 3e-3
FIVE_STEPS_IMAGE = 0.09
# Weights after five steps of Adam, which moves each by about 2e-4 whatever the gradient's size:
# where rounding flips the sign of a small gradient, two runs diverge by 4e-4 per step. A single
# weight may therefore differ by all five steps, the mean of many by half a step. Nothing stated.
FIVE_STEPS_WEIGHTS = 2e-3
FIVE_STEPS_WEIGHTS_MEAN = 1e-4
