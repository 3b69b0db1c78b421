"""The statistics of a transition, as columns of one row of floats, in which integers are exact."""

ENERGY = 0
ENERGY_ERROR = 1
MAX_ENERGY_ERROR = 2
MODEL_LOGP = 3
MEAN_TREE_ACCEPT = 4
STEP_SIZE = 5
STEP_SIZE_BAR = 6
TREE_SIZE = 7
N_GRADIENTS = 8
DIVERGING = 9
DEPTH = 10
REACHED_MAX_TREEDEPTH = 11
INDEX_IN_TRAJECTORY = 12
SOLVER_FAILURES = 13
VELOCITY_NORM = 14
SPEED_LIMIT = 15
KINETIC_GAIN = 16
SIZE_TAKEN = 17  # of the last steps: a fixed time is divided evenly, into steps that are shorter than the step size
N_VALUES = 18  # log-densities without their gradient

N_COLUMNS = 19
