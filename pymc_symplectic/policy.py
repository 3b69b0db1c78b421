"""Every constant by which warm-up decides, with what it means and what speaks for its value.

Nobody who samples has to know them.  To measure the effect of an ingredient of warm-up, replace its constants:
``ps.HMC(policy=dataclasses.replace(ps.Policy(), control_variate=False))``.

Evidence is quoted from the ablation in the documentation's "Choosing": the default with one ingredient off, on 19
posteriors of posteriordb and 34 held-out ones, in effective draws per gradient over those of the whole default; and,
where it names targets, from ``python -m benchmarks robustness`` and ``python -m benchmarks ablation --set families``
with the same off.  Where none is quoted, the value is the first one that was reasonable, and results have not been seen
to hang on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import numpy as np

from .checks import like

__all__ = ["Policy"]


@dataclass(frozen=True)
class Policy:
    """The constants of warm-up.

    They stand in the order in which a chain meets them.  Lengths of windows are in draws; times are those of
    Hamilton's equations in whitened coordinates, where a normal turns once in 2π.
    """

    # The approach: from where a chain begins to a metric, by every gradient.

    descent: int = 60
    """Gradients on the way down to the typical set, at most; 0 to begin where the start is."""
    descent_pairs: int = 12
    """Steps that L-BFGS remembers."""
    descent_reach: float = 1.0
    """The largest change of a parameter in the first one, and twice as much after each that was still too short."""
    descent_bend: float = 0.9
    """Of the slope along a step, what is left at its end of a density that rises as if without end,"""
    descent_rise: float = 20.0
    """and the most by which it does, in nats a parameter.  After two such steps the way down ends before them."""
    descent_points: int = 30
    """The latest places that a first metric is fitted to,"""
    descent_depth: float = 10.0
    """of those whose log-density is within so many nats a parameter, and as many more, of the highest one."""
    probes: int = 300
    """Gradients that tell the curvature, one for each parameter up to this number; 0 for none."""
    probe_rounds: int = 2
    """Metrics that probes go by."""
    probe_lengths: tuple[float, ...] = (1.0, 0.25, 0.0625, 0.015625)
    """By which a probe is shortened where it comes to a place too far down:"""
    probe_depth: float = 4.0
    """by so many nats, and half of one for each parameter."""
    probe_ridge: float = 1e-4
    """Added to the moments of probes, which are exact but for the change of curvature."""
    fit_rounds: int = 3
    """Corrections of a metric by the same probes."""
    trail: int = 1500
    """Points of trajectories that are remembered: the latest ones at first, and later on fewer of each trajectory, so
    that they are always of the latest two thirds of all,"""
    trail_numbers: int = 1_000_000
    """fewer where they have more numbers than these together."""
    fewest_points: int = 4
    """That a metric is fitted to."""
    first_block: int = 16
    """Points after which the metric is fitted, or a quarter of the number of parameters,"""
    largest_first_block: int = 250
    """up to this number;"""
    block_growth: float = 1.3
    """and by which blocks of points grow from one fit to the next,"""
    largest_block: int = 400
    """up to so many."""
    first_approach_depth: int = 4
    """Doublings of no-U-turn trajectories at first, one more after every second fit."""
    approach_reach: float = 2.0
    """How far dual averaging explores from the step size that a metric is found to suit."""
    centering_points: int = 40
    """Points that weights between centered and non-centered are chosen by, at least,"""
    centering_most: int = 200
    """and at most, evenly of all that are remembered."""
    centering_gain: float = 2.0
    """That they have to promise together, as logarithms of Var(y) E[g²], before warm-up begins anew with others,"""
    centering_doubt: float = 150.0
    """and as much more, over the number of points.  With a bound for the mean instead, two of four chains on 85 groups
    of 11 stayed non-centered, and needed four times the gradients."""
    centering_own: float = 60.0
    """By which an element has to be better off with a weight of its own than with that of its variable, over the number
    of points: with weights of their own for all, 85 groups needed three times the gradients;"""
    centering_own_least: float = 0.15
    """and at least this much."""
    centering_least: float = 0.25
    """Lesser weights are 0."""
    centering_tests: int = 3
    """Points, of the latest half, at which the effects of a non-centered variable are taken away before it is centered
    at all,"""
    centering_evidence: float = 6.0
    """and how clearly, in nats, data have to say at each that these are not 0,"""
    centering_early: float = 800.0
    """and by how much more, over the number of points.  Otherwise there is a neck where their scale is small, and
    warm-up may have not come near it yet: of 20 groups of 2 with four times the noise, where evidence is 2 to 5, two of
    five runs had a chain that rested for more than 200 draws.  Of 85 groups of 11, and of 20 with four counts each, it
    is 29 to 90."""
    centering_rich: float = 20.0
    """Times the precision of its prior that data have to have, by the same tests at the first points, for a variable to
    be centered,"""
    centering_slack: float = 1.0
    """unless products are larger by so many nats then.  Six groups of 250 beside a level that moves with all of them:
    without, products of 4 to 5 nats by any weight decide, one of three runs ends with an R-hat of 1.08, and a gradient
    is worth a fourth as much."""
    centering_rise: float = 2.0
    """Of the log-density from one quarter of points to the next, over the root of the number of parameters, above which
    nothing is chosen, as the chain is on its way."""
    centering_changes: int = 3
    """How often warm-up begins anew, at most."""
    settled_draws: int = 40
    """No-U-turn draws that have to be made before the metric is taken to be known, or as many as parameters,"""
    settled_near: int = 4
    """up to this multiple; and so many where the target is nearly normal, so that a better metric is worth it:"""
    settled_risky: int = 40
    """No-U-turn draws that have to be made in any case where one of them, but for the first, has diverged: fewer do not
    tell whether steps have to be divided.  Four chains that share what they learn after `shared_draws`, 120 seeds of a
    funnel of six parameters and of a banana of two: without, 0.26 and 0.66 of the runs of 1000 draws end with an R-hat
    above 1.05; with it, and divided steps for all of them where one divides its own, 0.06 and 0.55, and chains that
    share nothing 0.05 and 0.55."""
    near_distance: float = 0.6
    """at less than this distance from a Gaussian."""
    settled_growth: float = 1.3
    """The Fisher divergence from new points, over that of the metric fitted to them too, below which it is known,"""
    settled_slack: tuple[float, float] = (0.05, 0.02)
    """give or take so much a parameter, of no-U-turn draws and of turns,"""
    settled_late: float = 0.25
    """and so much after the most no-U-turn draws that are asked for."""

    known_draws: int = 20
    """Draws by which a chain that begins from what another run has learned sees whether it holds,"""
    known_accept: float = 0.6
    """and their mean acceptance below which its path does not."""

    # Turning: harmonic paths where points say that the target is nearly normal.

    turn_distance: float = 0.4
    """The distance from a Gaussian, of the points that the metric has seen, below which a chain turns;"""
    turn_held: float = 1.0
    """and of points that it had not."""
    turn_left: float = 0.8
    """of new points, beyond which it goes back at once."""
    turn_points: int = 30
    """Points that have to be there, and more than parameters,"""
    enough_points: int = 300
    """or than this."""
    turn_step: float = 1.2
    """The first step size of a turn, whose acceptance"""
    turn_accept: float = 0.85
    """is held."""
    turn_jitter: float = 0.3
    """Of its time, π/2, as a fraction either way."""
    turns: int = 100
    """Draws by which turning is proved.  With 40, 4 of 20 chains on a Michaelis-Menten posterior kept to it that should
    not have; with 100, none of 60."""
    turn_memory: int = 150
    """The latest draws that the best path is chosen by."""
    turn_doubts: int = 30
    """Draws after which turning may be found to go astray: where more than"""
    turn_refused: tuple[float, float] = (0.05, 0.03)
    """accept with less than the first probability than the second fraction,"""
    turn_poor: float = 0.7
    """or acceptance is less than this on average."""
    turn_steps: tuple[int, ...] = (1, 2, 3, 4, 6)
    """Steps of a path,"""
    turn_times: tuple[float, ...] = (0.8, 1.0, 1.2, 1.4, math.pi / 2)
    """and its times, of which the best are chosen in closed form;"""
    least_turn_accept: float = 0.75
    """of those accepted so often at least."""

    # A surrogate of the log-density, where one is asked for.

    surrogate_dim: int = 20
    """Parameters, at most: features of degree 3 are d³/6 in number, and points of warm-up are hundreds."""
    surrogate_told: tuple[int, float] = (12, 200e-6)
    """The most parameters, and the least seconds that a gradient takes, where a run says that one is worth a try."""
    surrogate_degrees: tuple[int, ...] = (2, 3, 4, 5, 6)
    """Of polynomials that are tried,"""
    surrogate_ridges: int = 300
    """and ridges beside the one of the first degree."""
    surrogate_features: int = 800
    """That are tried at most, as each fit takes the cube of their number,"""
    surrogate_equations: float = 1.5
    """and for each of them, the numbers that values and gradients give to fit to."""
    surrogate_numbers: int = 6_000
    """Values and gradients that are fitted to, at most: the latest."""
    surrogate_ridge: tuple[float, ...] = (1e-8, 1e-5, 1e-3)
    """Added to the diagonal of normal equations, which are scaled to have ones there; held-out points choose which."""
    surrogate_tests: int = 10
    """Draws that are held out to choose by, at least."""
    surrogate_price: float = 2e-5
    """Of a feature, in acceptance."""
    surrogate_enough: float = 0.97
    """Predicted acceptance beyond which no more features are tried."""
    surrogate_far: float = 1.5
    """Times |z|² of the farthest draw: points beyond are left out,"""
    surrogate_depth: float = 5.0
    """and those that are lower than the lowest draw by so many nats, and a quarter of one for each parameter."""
    surrogate_radius: float = 1.02
    """Times |z| of the farthest point: beyond, what is learned stays as it is along rays,"""
    surrogate_tail: float = 1.0
    """the density of |z| falls by so much a unit, for tails that are heavier than those of a Gaussian,"""
    surrogate_slack: float = 0.3
    """and what is learned is never beyond its values at points by more than so many nats."""
    surrogate_step: float = 0.4
    """Of steps on a surrogate, which cost nothing of the truth."""
    surrogate_near: float = 0.5
    """Of draws, those that go on by a short path with a test of its own.  Without, of six runs of 4000 draws on a
    Gaussian process with 5 parameters the longest stay is 37 draws, and the least ESS 329; of six on an epidemic, 139
    draws and 36.  With it these are 4 draws and 2343, and 19 draws and 375."""
    surrogate_rounds: tuple[int, ...] = (50, 100, 100)
    """Draws by a surrogate that is fitted anew after each round, with the true gradient at their ends,"""
    surrogate_round: int = 150
    """and of each further round, while draws do not go as predicted,"""
    surrogate_most: int = 700
    """until there have been so many."""
    surrogate_kept: float = 0.05
    """By which acceptance may be less than what was predicted,"""
    surrogate_rest: int = 6
    """and the draws in a row that may stay at one place; otherwise more is learned."""
    surrogate_good: float = 0.8
    """Acceptance that is good enough where no draws are left to learn more by."""
    surrogate_begin: float = 0.8
    """Acceptance that has to be predicted for the approach to end before the metric is known,"""
    surrogate_early: int = 40
    """after so many draws at least; a poorer surrogate than that learns little from its draws."""
    surrogate_least: float = 0.5
    """Acceptance that has to be predicted, at least, for a surrogate to be drawn by."""
    surrogate_chain: int = 400
    """Draws of the surrogate's own chain, by which it is seen how soon it forgets where it began:"""
    surrogate_repeats: int = 10
    """after so many transitions at most,"""
    surrogate_memory: float = 0.1
    """when no coordinate, nor its square, has a larger autocorrelation than this."""
    surrogate_proof: int = 60
    """Draws by values alone, with as many transitions to each, by which it is proved."""

    # Windows after the approach: of no-U-turn draws, by which a tuner chooses.

    latest_draws: int = 60
    """The no-U-turn draws that a choice is made by where warm-up ends by itself: so many at most, the latest ones."""
    step_draws: int = 60
    """The latest of them by whose acceptance the step size is found then."""
    proof: int = 60
    """Draws by which the choice is proved then; 0 to make none."""
    last_draws: int = 30
    """At its end, left to the step size alone."""
    stranded_draws: int = 30
    """The latest draws by which chains are compared at the end of warm-up, and a third of them at least,"""
    stranded_gap: float = 10.0
    """and by how many nats one has to be below another, its volume counted, to be moved there,"""
    stranded_doubt: float = 0.2
    """and so many for each parameter, as few draws fill less than they will,"""
    stranded_spread: float = 3.0
    """and so many standard deviations of the log-density there; a gap of ``math.inf`` for none to be moved.  Four
    chains from U(-1, 1) on posteriordb's own programs, with and without: of lotka_volterra eight and three of eight
    runs come to an R-hat of 1.01, and of hmm_drive_0 four and none of four, for as many gradients."""
    shares: bool = True
    """Whether chains that are at the end of their warm-up, and agree, go on by what they have learned together;"""
    shared_draws: int = 25
    """the draws that take the place of `settled_draws` then, where these are more,"""
    shared_turns: int = 60
    """and the place of `turns`.  By ``python -m benchmarks until --samplers ours ours-alone``, 4 to 20 seeds of 19
    posteriors, warm-up takes 1.22 times as many gradients without all three, and a whole run to 400 effective draws
    1.06 times, from 0.69 (a Gaussian process with a neck, where a few runs take six times what others do) to 1.34."""
    windows: tuple[int, ...] = (60, 120)
    """Draws that windows ask for at least, where warm-up has so many draws as were asked for."""
    energy_trial: bool = True
    """Whether a kinetic energy that is learned has to prove to be better than the Gaussian one, in a window of its own;
    otherwise it is in use from the first draw.  Without, at default settings, exp(-x⁴) in 20 dimensions is sampled 0.81
    times as efficiently with ``kinetic="adaptive"`` as with ``"gaussian"``, and 0.59 times by no-U-turn."""
    energy_draws: int = 50
    """That it is learned from, at least, and judged by."""
    energy_margin: float = 1.3
    """Times the efficiency of the Gaussian energy's draws, that it has to come to.  With 1.1, 27 of 80 chains on
    exp(-x⁴) under no-U-turn keep what makes a gradient worth 0.85 times as much: sixty draws tell no more."""
    most_draws: int = 1000
    """Of a warm-up that ends by itself."""

    final_fraction: float = 0.1
    """Of warm-up, left to the step size alone at the end."""
    final_least: int = 50
    """Of draws that are left to it where there is room: Stan's number."""

    # Falling into the typical set.

    warmup_energy_error: float = 1000.0
    """Of an energy error, the least limit in warm-up: falling from a bad start matters more than an exact limit."""
    transient_gradient: float = 100.0
    """A chain is on its way to the typical set while |Lᵀ g|² exceeds d by this factor: it is about d there."""

    # The step size.

    explore_from: int = 10
    """Draws of warm-up from which on dual averaging may explore step sizes far from the one it begins with."""
    settled_gain: float = 0.3
    """In place of dual averaging's γ = 0.05, where the step size is known, or nearly.  With 0.05 it spreads by half in
    the first hundred draws, and the mean of its logarithms is a step that is too short."""

    # Gaussianity: what is tried on which targets.

    memory: int = 400
    """Draws that a choice is made by."""
    coordinates: int = 256
    """That it is made by, evenly spaced: enough for a mean over functions, and scores stay cheap beside gradients."""
    least_draws: int = 40
    """Of a window that anything is chosen by."""
    far_accept: float = 0.9
    """The acceptance that no-U-turn is tuned to where the target is not Gaussian enough for anything else.  By eighty
    draws, as a warm-up of such a target may have, a step size that aims for 0.8 comes to 0.63 in one chain, and to 0.83
    in the next one.  With 0.9 a gradient is worth 1.6, 1.4, 1.2, 0.9 and 0.8 times as much on five hierarchies; of ten
    runs on each, 39 are sound instead of 31; and on a Gaussian process with counts it is worth 4 times as much."""
    near_gaussian: float = 0.4
    """A distance from a Gaussian below which the harmonic drift is tried; nothing else pays there.  Without that drift:
    0.74, and 0.30 where it is missed most."""
    limits: tuple[tuple[float, float], ...] = ((2.0, 2.6), (2.0, 2.0), (0.4, 2.0))
    """By how many windows are left: the largest distance from a Gaussian, and the heaviest tails, that anything but
    no-U-turn leapfrog is tried on.  Without the check of Gaussianity: 1.01 and 1.07, but 0.79 and 0.73 per run, and 18
    of 159 runs more end with an R-hat above 1.01."""
    quick: float = 10.0
    """Gradients of a no-U-turn draw below which there is little to gain, so that less is risked:"""
    quick_distance: float = 1.5
    """the largest distance from a Gaussian there."""
    least_radial_correlation: float = -0.05
    """Of |z|² and |g|², where the target is not nearly Gaussian: funnels and heavy tails have less."""
    largest_kurtosis: float = 14.0
    """Of any coordinate, likewise; a normal has 3, and a Student distribution with 5 degrees of freedom 9."""
    longest_time: float = 30.0
    """Of no-U-turn trajectories, beyond which nothing else is tried: three times the longest path of a search.  The
    metric is not known yet then, and short paths would look good in all directions but the one that matters."""

    # The search: test trajectories from draws of the window.

    schemes: tuple[str, ...] = ("harmonic_leapfrog", "leapfrog", "harmonic_bcss2", "bcss2")
    """Integrators that are tried, in this order.  Without two-stage schemes: 1.00 and 0.99 up to a hundred parameters,
    but 0.84 on a correlated series of 300, and 0.99 on a hierarchy of 300."""
    starts: int = 28
    """Test trajectories of each scheme and step size."""
    times: tuple[float, ...] = tuple(float(time) for time in np.geomspace(0.7, 6.0, 13))
    """Path lengths that are scored."""
    jitters: tuple[float, ...] = (0.3, 0.6)
    """Of each path length, as a fraction either way."""
    usual_reach: float = 2.8
    """How far test trajectories go."""
    long_reach: float = 9.6
    """How far they go once more where the longest paths look best."""
    most_steps: int = 400
    """Of a test trajectory."""
    first_step: float = 0.9
    """The first step size that is tried of each scheme, for each gradient of a step, over that of no-U-turn draws."""
    first_harmonic_step: tuple[float, float] = (1.2, 1.5)
    """Of a harmonic drift, which the residual alone limits: the larger of this angle and this multiple."""
    refine: float = 1.35
    """From one step size to the next."""
    budget: float = 60.0
    """Gradients of a search, in no-U-turn draws,"""
    least_budget: float = 300.0
    """and at least so many."""
    climb: float = 0.75
    """Other step sizes are tried of a scheme that comes so near to the best one,"""
    climb_again: float = 0.95
    """and so near, where something was chosen before."""
    unbeaten: float = 0.2
    """Effective draws per gradient that no free drift has reached yet: beyond, none is tried."""
    least_accept: float = 0.78
    """Mean acceptance below which promises are not kept."""
    most_lost_free: float = 0.06
    """The fraction of trajectories that may come to nothing with a free drift."""
    most_lost_harmonic: float = 0.03
    """With a harmonic one: it is at its worst in the tails, and a chain that is refused there stays there."""
    per_draw: float = 0.7
    """Gradients that a draw is taken to cost beyond its own."""
    control_variate: bool = True
    """Whether what test trajectories would have got on the fitted Gaussian by chance is taken off.  Without: 0.86 and
    0.91, and 0.17 where it is missed most."""
    most_repeats: float = 4.0
    """Trajectories of one draw."""
    path_cost: float = 0.7
    """Gradients of a draw of several short paths, over those of a no-U-turn draw.  With one path to a draw: 1.00 and
    1.05, but 0.95 and 0.88 per run."""

    # The choice, and its proof.

    margin: float = 1.15
    """By which what is chosen has to promise more than the efficiency of no-U-turn draws;"""
    margin_unproved: float = 1.3
    """where no window is left for proof,"""
    margin_far: float = 1.5
    """and where the target is not nearly Gaussian either."""
    switch: float = 1.2
    """By which something else has to be better than what is in use."""
    keep: float = 1.05
    """Times no-U-turn's efficiency: what is in use has to prove so much.  Without proof: 0.99 and 1.00, and on a
    mixture 2 instead of none of 160 chains keep a harmonic drift that knows one mode: it is a second line of defence,
    where exploration beyond the draws has missed the other one."""
    enough: tuple[float, float] = (1.5, 2.5)
    """Times no-U-turn's efficiency, with no window left and with some: what proves so much is not questioned again."""
    accept: tuple[float, float] = (0.8, 0.95)
    """The range of acceptances that dual averaging is asked to hold: what was measured with the best step size.
    With 0.8 always: 1.02 and 0.94, and 0.88 and 0.82 per run."""
    bold_accept: float = 0.92
    """Asked for instead, where a free drift lost too many trajectories, but fewer than"""
    bold_lost: float = 0.15
    """this fraction."""
    shorter: float = 0.75
    """By which steps are shortened then."""
    longest_stay: int = 25
    """Draws at one place beyond which what was chosen is given up."""
    most_diverging: float = 0.02
    """The fraction of draws that may diverge with it."""

    # Beyond the draws: other modes, and tails.

    outings: int = 16
    """Trajectories that are pushed out of the window."""
    outing_time: float = 4.8
    """Of each: three quarters of a turn, so to both sides."""
    push: tuple[float, float] = (3.0, 5.0)
    """Momentum along one direction: as rare as the crossing of a barrier of 4 to 12 nats."""
    slack: float = 4.0
    """By how many nats a place may be less dense than any draw."""
    axes: int = 3
    """Directions in which the Gaussian fits least, beside those of parameters."""
    remarkable: float = 8.0
    """Nats above the fitted Gaussian.  Without the exploration beyond the draws, 11 instead of none of 160
    chains on a mixture choose the harmonic drift and prove it, gradients are 0.73 times as efficient, and 24 instead of
    14 of 40 runs have an R-hat above 1.05."""
    elsewhere: float = 20.0
    """Nats that only another mode, or a heavy tail, has above it;"""
    several: int = 3
    """so many such places rule a harmonic drift out."""
    most_thrown: float = 6.0
    """The energy error, in nats, that a harmonic drift may make from a remarkable place."""
    proved_growth: float = 1.1
    """By how much its steps may grow before that is checked again."""

    # After divergences.

    early_draws: int = 10
    """No-U-turn draws at the very beginning, whose divergences say nothing of the target,"""
    risky_early: tuple[int, float] = (3, 0.01)
    """and the number and the fraction of all others that may diverge before the metric is known.  On a Gaussian process
    and on growth curves, both with narrow places, 5 and 7 of about a hundred do, and on four other hierarchies and a
    GARCH model 0.7 to 1.7, while the step size is still being found."""
    divisions: int = 6
    """After more, and after any divergence later, how often a no-U-turn step may be halved; 0 for never,"""
    divided_above: float = 5.0
    """and the nats by which the energy has to vary along it.  With an acceptance of 0.9 after three divergences
    instead, as it was before, no draw of eight runs on eight schools, centered and in the model's coordinates, is below
    the 5 % quantile of tau.  With these, 2.6 ± 0.9 % are, and 4.3 ± 0.9 % with steps that are divided from the start;
    by the errors of probabilities of 5 % and 95 % a gradient is worth 2.3 times as much.  A lower limit costs more
    where nothing is narrow: on six posteriors 1 nat costs 7 to 25 % of gradients, 2 nats 1 to 15 %, and 5 up to 4 %."""

    def most_lost(self, split: str) -> float:
        """The fraction of trajectories that may come to nothing."""
        return self.most_lost_harmonic if split == "harmonic" else self.most_lost_free

    def sharing(self) -> Policy:
        """The same for a chain that will share what it learns with others."""
        if not self.shares:
            return self
        draws, turns = min(self.settled_draws, self.shared_draws), min(self.turns, self.shared_turns)
        return replace(self, settled_draws=draws, turns=turns)

    def __repr__(self) -> str:
        changed = [f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if getattr(self, f.name) != f.default]
        return f"Policy({', '.join(changed)})"

    def __post_init__(self) -> None:
        for field in fields(self):
            like(f"policy: {field.name}", getattr(self, field.name), field.default)
        if not (0 <= self.final_fraction < 1 and math.isfinite(self.transient_gradient)):
            raise ValueError("policy: final_fraction must be in [0, 1), and transient_gradient finite")
