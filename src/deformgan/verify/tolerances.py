"""How far an array may be off: three times the difference that a second implementation showed.

The golden folder's README states those differences ("seen"). Where it suggests a tolerance, that
one counts; where it is silent, the array's own precision does. Networks, losses and gradients are
computed in double precision here, the golden ones in TensorFlow's single precision, unless stated
otherwise: a difference is then TensorFlow's rounding alone, and where double precision has shown
that to be less than what two roundings were seen to make, less is allowed.
"""

# Coordinates, lengths and transforms, in pixels. Suggested; seen 3e-11.
TRANSFORM = 1e-6
# Heat maps, whose maximum is 1. Suggested; seen 3e-8.
HEATMAP = 1e-6
# Structural similarity, 1 at most. Seen 2e-16 by a restatement in the reference's own order of
# sums; in another order the variances, small differences of large squares, lose three digits more.
SSIM = 1e-12
# Mean absolute differences of images in [-1, 1], in double precision.
L1 = 1e-12
# Scores from single-precision probabilities. Nothing stated; three steps of a number near 4.
INCEPTION = 1.5e-6
# Nearest-neighbour maps, as a share of their largest value. Seen 1.3e-6.
NEAREST_NEIGHBOUR = 4e-6
# Warped features of size 8 at most, in single precision; gradients as a share of the largest.
WARP = 1e-6
# Feature maps of the networks by image size. Seen 1.3e-5 and 3e-4, TensorFlow's own rounding: in
# double precision the shared folder is off by 9e-6 and 1.3e-4, as in single.
LAYERS = {"128x64": 4e-5, "256x256": 9e-4}
# Generated images. Seen 2e-6 and 5e-5; in double precision 1e-6 and 2e-5, as in single.
OUTPUT = {"128x64": 6e-6, "256x256": 1.5e-4}
# VGG's features as a share of the largest. In double precision 4.5e-7.
VGG = 2e-6
# Losses, as a share of each term. Seen 1e-5; in double precision 1.2e-6.
LOSS = 1e-5
# Total variation sums 2e5 terms, which TensorFlow does in single precision: its sum at 256x256 is
# 3.7e-5 off the exact one.
VARIATION = 1.2e-4
# Gradients, as a share of the largest entry. Seen 6e-5; in double precision 3e-6, but TensorFlow
# may have a sign wrong itself. The gradient of a scale or a shift is a small remainder of large
# sums, and TensorFlow's rounding of those does not shrink with it (in double precision 1.5e-6 of
# the file's largest): the floor is the least that an array may have of that one's tolerance.
GRADIENT = 6e-5
GRADIENT_FLOOR = 0.1
# Gradients that are double precision's own, stored in single, as a share of the largest entry. In
# double precision 4.5e-8.
GRADIENT_EXACT = 1e-6
# After five training steps: losses as a share of each term, the image. Seen 1e-3 and 0.03.
FIVE_STEPS = 3e-3
FIVE_STEPS_IMAGE = 0.09
# Weights after five steps of Adam, which moves each by about 2e-4 whatever its gradient's size:
# where rounding turns the sign of a small gradient two runs drift 4e-4 apart in a step. So a single
# weight may be off by all five steps, and the mean of many by half a step. Nothing stated.
FIVE_STEPS_WEIGHTS = 2e-3
FIVE_STEPS_WEIGHTS_MEAN = 1e-4
