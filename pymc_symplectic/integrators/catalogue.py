"""The integrators that have a name: one entry each, with its source."""

import math
from collections.abc import Mapping
from types import MappingProxyType

from .base import Integrator
from .midpoint import ImplicitMidpoint

__all__ = ["ALIASES", "CATALOGUE", "HARMONIC", "IMPLICIT"]

# Papers with more than one entry.
_YOSHIDA = "Yoshida (1990), Phys. Lett. A 150, 262-268"
_OMELYAN_2002 = "Omelyan, Mryglod, Folk (2002), Comput. Phys. Commun. 146, 188-202"
_OMELYAN_2003 = "Omelyan, Mryglod, Folk (2003), Comput. Phys. Commun. 151, 272-314"
_BLANES_MOAN = "Blanes, Moan (2002), J. Comput. Appl. Math. 142, 313-330"
_BCSS = "Blanes, Casas, Sanz-Serna (2014), SIAM J. Sci. Comput. 36, A1556-A1580"
_SPLIT_HMC = "Shahbaba, Lan, Johnson, Neal (2014), Stat. Comput. 24, 339-349"
_KAHAN_LI = "Kahan, Li (1997), Math. Comput. 66, 1089-1099"

_ENTRIES = (
    # Order 2. Leapfrog; then those that make the energy error small at the step sizes of sampling.
    Integrator.symmetric(
        name="leapfrog",
        reference="Verlet (1967), Phys. Rev. 159, 98-103; "
        "for sampling: Duane, Kennedy, Pendleton, Roweth (1987), Phys. Lett. B 195, 216-222",
    ),
    # Least α² + β², with α = (1 - 6b + 6b²)/12 and β = (1 - 6b)/24 the coefficients of the two commutators
    # in the leading error: b = 1/2 - t for the real root t of 24 t³ + t = 1, written out (0.19318332750378...).
    Integrator.symmetric(
        kicks=(0.5 - math.sinh(math.asinh(9 * math.sqrt(2)) / 3) / math.sqrt(18),),
        name="minimal_error2",
        reference=f"McLachlan (1995), SIAM J. Sci. Comput. 16, 151-168; {_OMELYAN_2003}, eqs. 25 and 31",
    ),
    Integrator.symmetric(
        kicks=(0.108991425403425322,),
        drifts=(0.290485609075128726,),
        name="minimal_error3",
        reference="Predescu et al. (2012), Mol. Phys. 110, 967-983, eq. 26",
    ),
    # For s stages: a small largest energy error over all harmonic oscillators with ω ε in (0, s). The b for
    # s = 2 is quoted as 0.211781, and is the minimax given here to more digits; eq. 6.4 of the paper is its
    # neighbour (3 - √3)/6 = 0.2113.
    Integrator.symmetric(
        kicks=(0.211780979592631,),
        name="bcss2",
        reference=f"{_BCSS}, minimax two-stage scheme",
    ),
    Integrator.symmetric(
        kicks=(0.11888010966548,),
        drifts=(0.29619504261126,),
        name="bcss3",
        reference=f"{_BCSS}, eq. 6.7",
    ),
    Integrator.symmetric(
        kicks=(0.071353913450279725904, 0.268548791161230105820),
        drifts=(0.1916678,),
        name="bcss4",
        reference=f"{_BCSS}, eq. 6.8",
    ),
    # Order 4.
    Integrator.composed(
        (1 / (2 - 2 ** (1 / 3)),),
        name="yoshida4",
        order=4,
        reference=f"Forest, Ruth (1990), Physica D 43, 105-117; {_YOSHIDA}",
    ),
    Integrator.composed(
        (1 / (4 - 4 ** (1 / 3)),) * 2,
        name="suzuki4",
        order=4,
        reference="Suzuki (1990), Phys. Lett. A 146, 319-323",
    ),
    # In the paper's letters: drifts ξ and χ, kick (1 - 2λ)/2.
    Integrator.symmetric(
        drifts=(0.1786178958448091, -0.06626458266981849),
        kicks=((1 + 2 * 0.2123418310626054) / 2,),
        first="drift",
        name="pefrl",
        order=4,
        reference=_OMELYAN_2002,
    ),
    # The same letters, with kicks and drifts exchanged.
    Integrator.symmetric(
        kicks=(0.1644986515575760, 1.235692651138917),
        drifts=((1 + 2 * 0.02094333910398989) / 2,),
        name="vefrl",
        order=4,
        reference=_OMELYAN_2002,
    ),
    Integrator.symmetric(
        kicks=(0.08398315262876693, 0.6822365335719091),
        drifts=(0.2539785108410595, -0.03230286765269967),
        name="omelyan5",
        order=4,
        reference=f"{_OMELYAN_2003}, eqs. 63 and 71",
    ),
    Integrator.symmetric(
        kicks=(0.0792036964311957, 0.353172906049774, -0.0420650803577195),
        drifts=(0.209515106613362, -0.143851773179818),
        name="blanes_moan4",
        order=4,
        reference=f"{_BLANES_MOAN}, table 2, S6",
    ),
    # Order 6.
    Integrator.composed(
        (0.78451361047755726382, 0.23557321335935813368, -1.17767998417887100695),
        name="yoshida6",
        order=6,
        reference=f"{_YOSHIDA}, solution A",
    ),
    Integrator.symmetric(
        kicks=(0.0502627644003922, 0.413514300428344, 0.0450798897943977, -0.188054853819569, 0.541960678450780),
        drifts=(0.148816447901042, -0.132385865767784, 0.067307604692185, 0.432666402578175),
        name="blanes_moan6",
        order=6,
        reference=f"{_BLANES_MOAN}, table 2, S10",
    ),
    # Order 8.
    Integrator.composed(
        (
            0.914844246229740,
            0.253693336566229,
            -1.44485223686048,
            -0.158240635368243,
            1.93813913762276,
            -1.96061023297549,
            0.102799849391985,
        ),
        name="yoshida8",
        order=8,
        reference=f"{_YOSHIDA}, solution D",
    ),
    Integrator.composed(
        (
            0.74167036435061295345,
            -0.40910082580003159400,
            0.19075471029623837995,
            -0.57386247111608226666,
            0.29906418130365592384,
            0.33462491824529818378,
            0.31529309239676659663,
        ),
        name="suzuki_umeno8",
        order=8,
        reference="Suzuki, Umeno (1993), Springer Proc. Phys. 76, 74-86; "
        f"McLachlan (1995), SIAM J. Sci. Comput. 16, 151-168; {_KAHAN_LI}, s15odr8",
    ),
    Integrator.composed(
        (
            0.13020248308889008088,
            0.56116298177510838456,
            -0.38947496264484728641,
            0.15884190655515560090,
            -0.39590389413323757734,
            0.18453964097831570709,
            0.25837438768632204729,
            0.29501172360931029887,
        ),
        name="kahan_li8",
        order=8,
        reference=f"{_KAHAN_LI}, s17odr8a",
    ),
)

CATALOGUE: Mapping[str, Integrator] = MappingProxyType({entry.name: entry for entry in _ENTRIES})
"""The integrators that can be chosen by name."""

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "verlet": "leapfrog",
        "velocity_verlet": "leapfrog",
        "stormer_verlet": "leapfrog",
        "mclachlan2": "minimal_error2",
        "omelyan2": "minimal_error2",
        "predescu3": "minimal_error3",
        "forest_ruth": "yoshida4",
        "omf4": "omelyan5",
    }
)
"""Other names in use, each with the name in `CATALOGUE` that it stands for."""

IMPLICIT: Mapping[str, ImplicitMidpoint] = MappingProxyType({"implicit_midpoint": ImplicitMidpoint()})
"""Those that solve an equation at every step."""

_HARMONIC_ENTRIES = (
    CATALOGUE["leapfrog"].harmonic(
        reference=f"{_SPLIT_HMC}; "
        "Beskos, Pinski, Sanz-Serna, Stuart (2011), Stoch. Process. Appl. 121, 2201-2230, with kicks outside"
    ),
    CATALOGUE["bcss2"].harmonic(reference=f"coefficients: {_BCSS}; drift: {_SPLIT_HMC}"),
    # Kicks and drifts are the weights of Lobatto's quadrature and the gaps between its nodes, so that of the error
    # O(δ) in the residual δ all is gone but O(ε⁴ δ); O(ε² δ²) stays.
    Integrator.symmetric(kicks=(1 / 6,)).harmonic(
        name="harmonic_sbab2",
        reference=f"coefficients: Laskar, Robutel (2001), Celest. Mech. Dyn. Astron. 80, 39-62; drift: {_SPLIT_HMC}",
    ),
)

HARMONIC: Mapping[str, Integrator] = MappingProxyType({entry.name: entry for entry in _HARMONIC_ENTRIES})
"""Those whose drift is the motion of the fitted Gaussian; `Integrator.harmonic` makes one of any coefficients."""
