"""
Pictures of motion in phase space, and of what runs cost and gave.

>>> from pymc_symplectic import plots
>>> ax = plots.phase_portrait("pendulum", step_size=0.5)

=======================  ===============================================================================
`phase_portrait`         level curves of an energy, its separatrices, and motions over them
`integrators_on`         one motion by several methods, in small multiples
`energy_error`           the error of the energy along a motion
`work_precision`         errors against gradients
`kinetic_energies`       kinetic energies and their velocities
`trajectory_on_slice`    one trajectory over the log-density of a model
`acceptance`             acceptance and step size of runs
`compare`                samplers side by side
`scales`                 mean and standard deviation of parameters, as a run has learned them
`correlations`           their correlations
=======================  ===============================================================================

Matplotlib is imported when something is drawn. All return its Axes, draw on those that are given as ``ax=``, and leave
its settings as they were: fonts, their sizes and the background are yours to choose.
"""

from .acceptance import acceptance
from .compare import compare
from .correlations import correlations
from .energy_error import energy_error
from .integrators_on import integrators_on
from .kinetic_energies import kinetic_energies
from .phase_portrait import phase_portrait
from .scales import scales
from .trajectory_on_slice import trajectory_on_slice
from .work_precision import work_precision

__all__ = [
    "acceptance",
    "compare",
    "correlations",
    "energy_error",
    "integrators_on",
    "kinetic_energies",
    "phase_portrait",
    "scales",
    "trajectory_on_slice",
    "work_precision",
]
