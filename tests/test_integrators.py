"""The catalogue of integrators: coefficients, measured orders, and what is said of bad coefficients."""

import math
import pickle

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from pymc_symplectic.integrators import ALIASES, CATALOGUE, HARMONIC, IMPLICIT, Integrator, get
from pymc_symplectic.kernels.splits import FreeSplit, HarmonicSplit

STAGES = {
    "leapfrog": 1,
    "minimal_error2": 2,
    "minimal_error3": 3,
    "bcss2": 2,
    "bcss3": 3,
    "bcss4": 4,
    "yoshida4": 3,
    "suzuki4": 5,
    "pefrl": 4,
    "vefrl": 4,
    "omelyan5": 5,
    "blanes_moan4": 6,
    "yoshida6": 7,
    "blanes_moan6": 10,
    "yoshida8": 15,
    "suzuki_umeno8": 15,
    "kahan_li8": 17,
}

ORDERS = {"yoshida4": 4, "suzuki4": 4, "pefrl": 4, "vefrl": 4, "omelyan5": 4, "blanes_moan4": 4}
ORDERS |= {"yoshida6": 6, "blanes_moan6": 6, "yoshida8": 8, "suzuki_umeno8": 8, "kahan_li8": 8}

catalogue = pytest.mark.parametrize("integrator", CATALOGUE.values(), ids=CATALOGUE)


# A step in plain NumPy, with the identity as metric, for two kinetic energies: a scheme for second-order
# equations alone would keep its order for the Gaussian one and lose it for the other.

VELOCITIES = {
    "gaussian": lambda r: r,
    "relativistic": lambda r: r / np.sqrt(1 + (r * r).sum(axis=0)),
}


def henon_heiles_force(q):
    x, y = q
    return np.array([-x - 2 * x * y, -y - x * x + y * y])


# Two points each, as columns.
Q0 = np.array([[0.3, -0.2], [0.1, 0.25]])
R0 = np.array([[0.2, 0.3], [0.35, -0.25]])
TIME = 4.0


def step(integrator, q, r, eps, force, velocity):
    flows = [None] * (len(integrator.kicks) + len(integrator.drifts))
    first, second = (0, 1) if integrator.kick_first else (1, 0)
    flows[first::2] = [("kick", b) for b in integrator.kicks]
    flows[second::2] = [("drift", a) for a in integrator.drifts]
    for flow, coefficient in flows:
        if flow == "kick":
            r = r + coefficient * eps * force(q)
        else:
            q = q + coefficient * eps * velocity(r)
    return q, r


def endpoint(integrator, n, velocity):
    q, r = Q0, R0
    for _ in range(n):
        q, r = step(integrator, q, r, TIME / n, henon_heiles_force, velocity)
    return np.concatenate([q, r])


def measured_order(integrator, velocity):
    """Halve the step size until the change is not far above round-off, or the steps are many."""
    n, point, change = 8, endpoint(integrator, 8, velocity), math.inf
    while change > 1e-11 and n < 256:
        n, previous_point, previous_change = 2 * n, point, change
        point = endpoint(integrator, n, velocity)
        change = np.abs(point - previous_point).max()
    return math.log2(previous_change / change)


def test_the_tables_of_this_file_are_complete():
    assert set(STAGES) == set(CATALOGUE)
    assert set(ORDERS) == {name for name in CATALOGUE if get(name).order > 2}


@catalogue
def test_entry_is_a_consistent_palindrome(integrator):
    for flow in (integrator.kicks, integrator.drifts):
        assert math.fsum(flow) == pytest.approx(1, abs=2e-15)
        np.testing.assert_allclose(flow, flow[::-1], rtol=0, atol=2e-15)
    assert abs(len(integrator.kicks) - len(integrator.drifts)) == 1


@catalogue
def test_entry_is_complete(integrator):
    assert CATALOGUE[integrator.name] is integrator
    assert integrator.stages == STAGES[integrator.name]
    assert integrator.order == ORDERS.get(integrator.name, 2)
    assert integrator.kick_first == (integrator.name != "pefrl")
    assert "(19" in integrator.reference or "(20" in integrator.reference


@pytest.mark.parametrize("kinetic", VELOCITIES)
@catalogue
def test_order(integrator, kinetic):
    assert measured_order(integrator, VELOCITIES[kinetic]) == pytest.approx(integrator.order, abs=0.15)


@pytest.mark.parametrize("name", ORDERS)
def test_order_survives_the_exchange_of_kicks_and_drifts(name):
    entry = get(name)
    exchanged = Integrator(kicks=entry.drifts, drifts=entry.kicks, order=entry.order)
    assert exchanged.kick_first != entry.kick_first
    assert measured_order(exchanged, VELOCITIES["gaussian"]) == pytest.approx(entry.order, abs=0.15)


@pytest.mark.parametrize("weight", [1.3, 1.4])
def test_broken_scheme_measures_order_2(weight):
    # Symmetric and consistent, so it passes every check there is; but the weight is not 1/(2 - 2^(1/3)).
    broken = Integrator.composed((weight,), order=4)
    assert measured_order(broken, VELOCITIES["gaussian"]) == pytest.approx(2, abs=0.15)


@pytest.mark.parametrize("name", ORDERS)
def test_measure_notices_a_changed_coefficient(name):
    entry = get(name)
    kicks = list(entry.kicks)
    kicks[0] = kicks[-1] = kicks[0] + 0.01
    kicks[1] = kicks[-2] = kicks[1] - 0.01
    broken = Integrator(tuple(kicks), entry.drifts)
    assert measured_order(broken, VELOCITIES["gaussian"]) < entry.order - 0.5


@catalogue
def test_quadrature_conditions(integrator):
    # For K = r and any force f(q), a step is the quadrature Σ b f(c ε) of the force, with c the time drifted
    # before each kick: exact for powers below the order. Likewise with kicks and drifts exchanged. Necessary
    # conditions only, but they hold to round-off, and so look at every digit. (The fifteen digits that were
    # published of yoshida8 leave more.)
    tolerance = 1e-12 if integrator.name == "yoshida8" else 1e-15
    kicks, drifts = np.array(integrator.kicks), np.array(integrator.drifts)
    kick_times, drift_times = np.cumsum(drifts), np.cumsum(kicks)
    if integrator.kick_first:
        kick_times = np.concatenate([[0.0], kick_times])
    else:
        drift_times = np.concatenate([[0.0], drift_times])
    for power in range(integrator.order):
        for weights, times in ((kicks, kick_times), (drifts, drift_times)):
            assert weights @ times[: len(weights)] ** power == pytest.approx(1 / (power + 1), abs=tolerance)


@pytest.fixture(scope="module", params=VELOCITIES)
def exact(request):
    velocity = VELOCITIES[request.param]

    def field(_, z):
        q, r = z.reshape(2, 2, 2)
        return np.concatenate([velocity(r), henon_heiles_force(q)]).ravel()

    z0 = np.concatenate([Q0, R0]).ravel()
    solution = solve_ivp(field, (0, TIME), z0, method="DOP853", rtol=1e-12, atol=1e-13)
    return velocity, solution.y[:, -1].reshape(4, 2)


@catalogue
def test_steps_approximate_the_exact_solution(integrator, exact):
    velocity, z = exact
    tolerance = {2: 2e-3, 4: 3e-5, 6: 2e-7, 8: 1e-9}[integrator.order]
    np.testing.assert_allclose(endpoint(integrator, 40, velocity), z, rtol=0, atol=tolerance)


@catalogue
def test_reversible(integrator):
    velocity = VELOCITIES["relativistic"]
    q, r = step(integrator, Q0, R0, 0.7, henon_heiles_force, velocity)
    q, r = step(integrator, q, -r, 0.7, henon_heiles_force, velocity)
    np.testing.assert_allclose([q, -r], [Q0, R0], rtol=0, atol=1e-13)


# What the coefficients of order 2 were chosen for.


def harmonic_energy_error(integrator, eps):
    """
    The ρ of Blanes, Casas, Sanz-Serna (2014) for the harmonic oscillator of frequency one.

    It bounds the mean energy error, over the stationary distribution, after any number of steps: with the
    step's matrix [[A, B], [C, A]], ρ = (B + C)² / 2(1 - A²). Infinite where the steps are not stable.
    """
    eps = np.asarray(eps)
    zero, one = np.zeros_like(eps), np.ones_like(eps)
    # The columns of the matrix are where (1, 0) and (0, 1) go.
    q, r = step(integrator, np.array([one, zero]), np.array([zero, one]), eps, lambda q: -q, lambda r: r)
    (a, b), (c, d) = q, r
    np.testing.assert_allclose(a, d, rtol=0, atol=1e-12)  # palindromic
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.abs(a) < 1, (b + c) ** 2 / (2 * (1 - a * a)), np.inf)


def test_minimal_error2_has_the_least_leading_error():
    b = get("minimal_error2").kicks[0]
    assert b == pytest.approx(0.1931833275037836, abs=2e-16)
    # McLachlan's closed form of the same number, which loses two digits to cancellation.
    y = (2 * math.sqrt(326) - 36) ** (1 / 3)
    assert b == pytest.approx((y * y + 6 * y - 2) / (12 * y), abs=1e-13)

    def leading_error(b):
        return ((1 - 6 * b + 6 * b * b) / 12) ** 2 + ((1 - 6 * b) / 24) ** 2

    assert leading_error(b) < min(leading_error(b - 1e-5), leading_error(b + 1e-5))


def test_minimal_error3_cancels_the_leading_error_of_oscillators():
    # ρ is O(ε⁴) for schemes of order 2 in general, and O(ε⁸) when the energy error's leading term is gone.
    rho = harmonic_energy_error(get("minimal_error3"), np.array([0.1, 0.2]))
    assert math.log2(rho[1] / rho[0]) == pytest.approx(8, abs=0.1)


@pytest.mark.parametrize(("name", "neighbour"), [("bcss2", 1e-6), ("bcss3", 1e-5)])
def test_bcss_minimise_the_largest_energy_error(name, neighbour):
    entry = get(name)
    eps = np.linspace(1e-3, entry.stages, 4001)
    b = entry.kicks[0]

    def largest(b):
        # For three stages, on the curve where the scheme is stable up to ε = 3 and beyond.
        drifts = () if entry.stages == 2 else ((1 - 2 * b) / (4 * (1 - 3 * b)),)
        return harmonic_energy_error(Integrator.symmetric(kicks=(b,), drifts=drifts), eps).max()

    assert harmonic_energy_error(entry, eps).max() == pytest.approx(largest(b), rel=1e-6)
    assert largest(b) < min(largest(b - neighbour), largest(b + neighbour))


@pytest.mark.parametrize("name", ["bcss2", "bcss3", "bcss4"])
def test_bcss_beat_leapfrog_at_equal_gradients(name):
    entry = get(name)
    eps = np.linspace(1e-3, 0.95, 200)
    leapfrog = harmonic_energy_error(get("leapfrog"), eps).max()
    assert harmonic_energy_error(entry, entry.stages * eps).max() < leapfrog / 50


# Making one's own.


def test_users_coefficients_are_kept_as_tuples_of_float():
    scheme = Integrator(kicks=[0, 1, 0], drifts=np.array([0.5, 0.5]), name="mine", order=np.int64(2))
    assert scheme.kicks == (0.0, 1.0, 0.0)
    assert scheme.drifts == (0.5, 0.5)
    assert all(type(number) is float for number in scheme.kicks + scheme.drifts)
    assert type(scheme.order) is int
    assert (scheme.kick_first, scheme.stages) == (True, 2)


def test_longer_flow_comes_first():
    assert Integrator(kicks=(0.5, 0.5), drifts=(1,)).kick_first
    position_verlet = Integrator(kicks=(1,), drifts=(0.5, 0.5))
    assert not position_verlet.kick_first
    assert position_verlet.stages == 1


@pytest.mark.parametrize("first", ["kick", "drift"])
@pytest.mark.parametrize(("outer", "inner"), [((), ()), ((0.2,), ()), ((0.2,), (0.3,)), ((0.2, 0.1), (0.3,))])
def test_symmetric_completes_the_free_coefficients(first, outer, inner):
    free = {"kicks": outer, "drifts": inner} if first == "kick" else {"kicks": inner, "drifts": outer}
    scheme = Integrator.symmetric(**free, first=first)
    assert scheme.kick_first == (first == "kick")
    assert scheme.stages == 1 + len(outer) + len(inner)
    assert scheme.kicks[: len(free["kicks"])] == free["kicks"]
    assert scheme.drifts[: len(free["drifts"])] == free["drifts"]


def test_composed_is_a_composition_of_leapfrog_steps():
    weights = (0.4, -0.3, 0.8, -0.3, 0.4)
    velocity = VELOCITIES["gaussian"]
    for first, leapfrog in (("kick", get("leapfrog")), ("drift", Integrator.symmetric(first="drift"))):
        composed = Integrator.composed(weights[:2], first=first)
        assert composed.stages == 5
        q, r = Q0, R0
        for w in weights:
            q, r = step(leapfrog, q, r, 0.1 * w, henon_heiles_force, velocity)
        np.testing.assert_allclose(
            step(composed, Q0, R0, 0.1, henon_heiles_force, velocity), (q, r), rtol=0, atol=1e-15
        )


def test_composed_of_nothing_is_leapfrog():
    assert Integrator.composed(()) == Integrator.symmetric() == Integrator((0.5, 0.5), (1,))


def test_catalogue_entry_from_its_whole_sequences():
    entry = get("pefrl")
    assert Integrator(entry.kicks, entry.drifts, "pefrl", 4, entry.reference) == entry


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"kicks": (0.5, 0.4), "drifts": (1,)}, ValueError, ["kicks", "sum to one", "0.9"]),
        ({"kicks": (0.5, 0.5), "drifts": (1.1,)}, ValueError, ["drifts", "sum to one", "1.1"]),
        ({"kicks": (0.25, 0.5, 0.25), "drifts": (0.4, 0.6)}, ValueError, ["drifts[0] = 0.4", "drifts[1] = 0.6"]),
        ({"kicks": (0.2, 0.5, 0.3), "drifts": (0.5, 0.5)}, ValueError, ["kicks[0] = 0.2", "kicks[2] = 0.3"]),
        ({"kicks": (0.5, 0.5), "drifts": (0.5, 0.5)}, ValueError, ["kicks and drifts", "alternating", "2 kicks"]),
        ({"kicks": (1,), "drifts": (0.2, 0.6, 0.2)}, ValueError, ["alternating", "1 kicks", "3 drifts"]),
        ({"kicks": (1,), "drifts": ()}, ValueError, ["drifts", "empty"]),
        ({"kicks": (), "drifts": (1,)}, ValueError, ["kicks", "empty"]),
        ({"kicks": (math.nan, 1), "drifts": (1,)}, ValueError, ["kicks[0]", "nan", "finite"]),
        ({"kicks": (0.5, 0.5), "drifts": (math.inf,)}, ValueError, ["drifts[0]", "inf", "finite"]),
        ({"kicks": 0.5, "drifts": (1,)}, TypeError, ["kicks", "sequence of numbers", "0.5"]),
        ({"kicks": (0.5, 0.5), "drifts": "all"}, TypeError, ["drifts", "sequence of numbers", "all"]),
        ({"kicks": (0.5, None), "drifts": (1,)}, TypeError, ["kicks", "sequence of numbers", "None"]),
        ({"kicks": (0.5, 0.5), "drifts": (1,), "order": 3}, ValueError, ["order", "even", "3"]),
        ({"kicks": (0.5, 0.5), "drifts": (1,), "order": 0}, ValueError, ["order", "positive", "0"]),
        ({"kicks": (0.5, 0.5), "drifts": (1,), "order": -2}, ValueError, ["order", "positive", "-2"]),
        ({"kicks": (0.5, 0.5), "drifts": (1,), "order": 2.0}, ValueError, ["order", "integer", "2.0"]),
    ],
)
def test_messages_name_the_field(fields, error, words):
    with pytest.raises(error) as info:
        Integrator(**fields)
    for word in words:
        assert word in str(info.value)


def test_symmetric_refuses_coefficients_that_do_not_fit():
    with pytest.raises(ValueError, match=r"free kicks.*kicks=\(\) and drifts=\(0\.3,\)"):
        Integrator.symmetric(drifts=(0.3,))
    with pytest.raises(ValueError, match=r"free drifts.*kicks=\(0\.3,\) and drifts=\(\)"):
        Integrator.symmetric(kicks=(0.3,), first="drift")
    with pytest.raises(TypeError, match="kicks must be a sequence of numbers"):
        Integrator.symmetric(kicks=0.3)
    with pytest.raises(ValueError, match="unknown first flow 'momentum'"):
        Integrator.symmetric(first="momentum")


def test_composed_refuses_what_is_not_numbers():
    with pytest.raises(TypeError, match="weights must be a sequence of numbers"):
        Integrator.composed(1.35)
    with pytest.raises(ValueError, match=r"weights\[0\] = nan"):
        Integrator.composed((math.nan,))


# Values.


@pytest.mark.parametrize(
    ("name", "accept"),
    [("leapfrog", 0.8), ("minimal_error2", 0.92), ("bcss4", 0.92), ("yoshida4", 0.95), ("kahan_li8", 0.95)],
)
def test_target_accept(name, accept):
    assert get(name).target_accept == accept


def test_target_accept_of_a_users_scheme():
    assert Integrator.symmetric(first="drift").target_accept == 0.8
    assert Integrator.symmetric(kicks=(1 / 6,)).target_accept == 0.92


@catalogue
def test_a_value_like_any_other(integrator):
    copy = pickle.loads(pickle.dumps(integrator))
    assert copy == integrator
    assert hash(copy) == hash(integrator)
    with pytest.raises(AttributeError):
        integrator.name = "other"


def test_catalogue_is_read_only():
    with pytest.raises(TypeError):
        CATALOGUE["mine"] = Integrator.symmetric()
    with pytest.raises(TypeError):
        ALIASES["mine"] = "leapfrog"


def test_repr_is_short():
    assert repr(get("pefrl")) == str(get("pefrl")) == "Integrator('pefrl': order 4, 4 gradients per step, drift first)"


# Another drift.


@pytest.mark.parametrize("name", HARMONIC)
def test_harmonic_entry_is_complete(name):
    entry = HARMONIC[name]
    assert get(name) is entry
    assert entry.name == name
    assert entry.drift == "harmonic"
    assert entry.kick_first
    assert "(20" in entry.reference
    assert not {name} & {*CATALOGUE, *IMPLICIT, *ALIASES}


@catalogue
def test_any_coefficients_serve_a_harmonic_drift(integrator):
    other = integrator.harmonic()
    assert integrator.drift == "free"
    assert (other.kicks, other.drifts, other.order) == (integrator.kicks, integrator.drifts, integrator.order)
    assert (other.name, other.drift) == (f"harmonic_{integrator.name}", "harmonic")
    assert other != integrator
    assert other.harmonic() == other == pickle.loads(pickle.dumps(other))
    assert repr(other).endswith(" first, harmonic drift)")


def test_sbab2_integrates_third_powers_exactly():
    for power in range(4):
        integral = np.dot(HARMONIC["harmonic_sbab2"].kicks, np.power((0, 0.5, 1), power))
        assert integral == pytest.approx(1 / (power + 1), abs=1e-15)


def test_harmonic_record_needs_a_mean():
    mean = np.array([1.0, 2.0])
    for name in ("leapfrog", "harmonic_leapfrog"):
        assert isinstance(get(name).record(2).split, FreeSplit)
    assert isinstance(get("leapfrog").record(2, mean).split, FreeSplit)
    record = get("harmonic_leapfrog").record(2, mean).split
    assert isinstance(record, HarmonicSplit)
    mean[0] = 3.0
    assert record.mean.tolist() == [1.0, 2.0]
    assert record.longest == pytest.approx(0.9 * math.pi)
    assert get("yoshida4").harmonic().record(2, mean).split.longest < math.pi / 4  # its drifts add up to 4.4


def test_unknown_drift_is_refused():
    with pytest.raises(ValueError, match="unknown drift 'harmonics'; choose one of: free, harmonic"):
        Integrator((0.5, 0.5), (1,), drift="harmonics")


# Names.


@catalogue
def test_get_by_name(integrator):
    assert get(integrator.name) is integrator
    assert get(integrator) is integrator


@pytest.mark.parametrize("alias", ALIASES)
def test_get_by_alias(alias):
    assert alias not in CATALOGUE
    assert get(alias) is CATALOGUE[ALIASES[alias]]


def test_get_does_not_mind_the_spelling():
    assert get("Velocity Verlet") is get("LEAPFROG") is get("velocity-verlet")
    assert get("forest ruth") is get("yoshida4")


def test_get_suggests():
    with pytest.raises(ValueError, match=r"unknown integrator 'leapforg'.*Did you mean 'leapfrog'\?"):
        get("leapforg")
    with pytest.raises(ValueError, match=r"unknown integrator 'rk4'; choose one of: auto, leapfrog, minimal_error2"):
        get("rk4")
    with pytest.raises(TypeError, match="integrator must be a name"):
        get(2)


def test_own_integrator_passes_through():
    mine = Integrator.symmetric(kicks=(0.19,), name="mine")
    assert get(mine) is mine
