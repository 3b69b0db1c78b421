"""Names that other libraries do not document are still there, and mean what `native` takes them to mean.

Each test is of one function or class in ``pymc_symplectic/native``, by its name.  Where one fails, a library has moved
what that function touches: its docstring says what, and what happens without.
"""

import inspect
import json
import multiprocessing
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from types import FunctionType, SimpleNamespace
from typing import NamedTuple
from uuid import uuid4

import numba
import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
import rich.progress
from filelock import FileLock
from numba.core.errors import TypingError
from numba.extending import overload
from operations import Quadratic
from pytensor.graph.traversal import ancestors, io_toposort

from pymc_symplectic.native import inlining, jax, versions
from pymc_symplectic.native import numba as of_numba
from pymc_symplectic.native import numpy as of_numpy
from pymc_symplectic.native import pymc as of_pymc
from pymc_symplectic.native import pytensor as of_pytensor

MOVED = "{} has moved: see the docstring of {}"


def has(thing, name, function):
    assert hasattr(thing, name), f"{thing!r} has no {name}: see the docstring of native's {function.__name__}"


# numba


def test_without_counting():
    options = of_numba.without_counting()
    assert options == {"_nrt": False}, "numba has lost the option _nrt: draws of small models take longer"

    def same(x):
        return x

    code = []
    for given in ({}, options):
        function = numba.njit(same, **given)
        function(np.ones(3))
        code.append("NRT_incref" in function.inspect_llvm(function.signatures[0]))
    assert code == [True, False], "numba counts references where it should not"


def _half(x):
    return 0.5 * x


def _half_of_half(x):
    return _half(_half(x))


def _loud(x):
    print("here is", (1, x))
    return x


def test_as_code_to_link():
    options = inlining.as_code_to_link()
    assert "pipeline_class" in options, "numba has other code libraries: kernels compile in twice the time"
    emitted = []
    for given in ({}, options):
        half = numba.njit(_half, **given)
        half_of_half = numba.njit(FunctionType(_half_of_half.__code__, {"_half": half}), **given)
        function = numba.njit(FunctionType(_half_of_half.__code__, {"_half": half_of_half}))
        assert function(8.0) == 0.5
        libraries = [one.overloads[one.signatures[0]].library for one in (half, half_of_half, function)]
        emitted.append(
            [hasattr(library, "_compiled_object") and library._compiled_object is not None for library in libraries]
        )
        assert function.inspect_llvm(function.signatures[0]).count("define") < 6, "what is inlined is still there"
    assert emitted == [[True, True, True], [False, False, True]], "machine code of what is inlined is still emitted"


def test_set_environments(capfd):
    """Without, a function that prints is not heard, and raises an error where it is inlined."""
    loud = numba.njit(_loud, **inlining.as_code_to_link())
    function = of_numba.compiled_once(numba.njit(lambda x: loud(x)))
    assert function(2.0) == 2.0
    assert "here is (1, 2.0)" in capfd.readouterr().out


def test_class_of():
    @overload(_kind)
    def _(thing):
        found.append(of_numba.class_of(thing))
        return lambda thing: 0

    found = []
    ask = numba.njit(lambda thing: _kind(thing))
    for thing in (_Pair(1.0, 2), _Pair(1.0, 2.0), (1.0, 2.0), 1.0, np.zeros(2)):
        ask(thing)
    assert found == [_Pair, _Pair, None, None, None]


class _Pair(NamedTuple):
    one: float
    other: float


def _kind(thing):
    return 0


def test_is_dispatcher():
    assert of_numba.is_dispatcher(numba.njit(lambda x: x))
    assert not of_numba.is_dispatcher(abs)


def test_entry_point():
    function = numba.njit(lambda x: x + 1)
    has(function, "compile", of_numba.entry_point)
    entry = of_numba.entry_point(function, [numba.float64])
    assert entry is not function, "Dispatcher.compile returns nothing that can be called: draws take longer"
    assert entry(2.0) == 3.0
    assert len(function.signatures) == 1
    with pytest.raises(TypingError):
        of_numba.entry_point(numba.njit(lambda x: x.nothing), [numba.float64])


def test_compile_for():
    function = numba.njit(lambda x: x + 1)
    has(function, "get_call_template", of_numba.compile_for)
    of_numba.compile_for(function, [numba.int64])
    assert function.signatures == [(numba.int64,)]


def test_pointer_at():
    array = np.arange(3.0)
    read = numba.njit(lambda address: numba.carray(of_numba.pointer_at(address), (3,), np.float64).sum())
    assert read(array.ctypes.data) == 3.0


def test_function_at():
    signature = numba.float64(numba.float64)
    at = of_numba.function_at(signature)
    call = numba.njit(lambda address, x: at(address)(x))
    double, square = (numba.cfunc(signature)(function) for function in (lambda x: 2 * x, lambda x: x * x))
    assert [call(function.address, 3.0) for function in (double, square)] == [6.0, 9.0]
    assert len(call.signatures) == 1


def test_generator_from():
    draw = numba.njit(lambda a, b, c, d: of_numba.generator_from(a, b, c, d).standard_normal())
    mine, theirs = np.random.default_rng(1), np.random.default_rng(1)
    addresses = map(np.uint64, of_numpy.generator_addresses(mine))
    assert draw(*addresses) == theirs.standard_normal()
    assert mine.bit_generator.state == theirs.bit_generator.state


def test_fields_of_generators():
    """All of them are filled in `generator_from`: one that is new would be left as it happens to be."""
    from numba.core.datamodel import default_manager

    generator = default_manager.lookup(numba.typeof(np.random.default_rng(0)))
    bits = default_manager.lookup(numba.types.NumPyRandomBitGeneratorType("bit_generator"))
    assert set(generator._fields) == {"bit_generator", "meminfo", "parent"}
    functions = {f"fnptr_{name}" for name in of_numpy.DRAWING}
    assert set(bits._fields) == {"bit_generator", "parent", "state_address", "state", *functions}


def test_fields_of_functions():
    """The same, of `function_at`."""
    from numba.core.datamodel import default_manager

    function = default_manager.lookup(numba.types.FunctionType(numba.float64(numba.float64)))
    assert set(function._fields) == {"c_addr", "py_addr", "jit_addr"}


def test_cache_in(tmp_path):
    with of_numba.cache_in(str(tmp_path)) as kept:
        assert kept, "numba.config has lost CACHE_DIR: kernels are compiled anew in each process"
        function = numba.njit(_plus_one, cache=True)
    assert function.stats.cache_path.startswith(str(tmp_path)), "numba keeps its cache elsewhere than it should"
    assert str(tmp_path) != numba.config.CACHE_DIR
    assert function(1.0) == 2.0
    assert list(tmp_path.rglob("*.nbi"))
    assert not of_numba.from_cache(function)
    again = of_numba.recompiled(function)
    assert not again.signatures
    assert again(1.0) == 2.0


def _plus_one(x):
    return x + 1


def test_recompiled_and_from_cache():
    """Of machine code of PyTensor's, which has a place on disk of its own."""
    x = pt.dvector("x")
    function = of_pytensor.machine_code(pytensor.function([x], x.sum() * 1.2345, mode="NUMBA"), required=True)
    function(np.ones(2))
    again = of_numba.recompiled(function)
    assert again.targetoptions == function.targetoptions
    again(np.ones(2))
    assert of_numba.from_cache(again)


def test_one_process_compiles_a_function_and_others_wait(tmp_path):
    """Those that need it for the same types; for other types it is compiled meanwhile."""
    with of_numba.cache_in(str(tmp_path)):
        first, function = (of_numba.compiled_once(numba.njit(_plus_one, cache=True)) for _ in range(2))
    first(1.0)
    (file,) = tmp_path.rglob("*.lock")
    found = []
    with FileLock(file):
        assert function(1) == 2  # of another type
        other = threading.Thread(target=lambda: found.append(function(1.0)))
        other.start()
        other.join(0.3)
        assert other.is_alive(), "it was compiled while another one held the lock"
    other.join()
    assert found == [2.0]
    assert list(tmp_path.rglob("*.nbc")), "what was compiled is not on the disk"


def test_one_process_without_a_place_on_the_disk():
    function = of_numba.compiled_once(numba.njit(lambda x: x + 1))
    assert function(1.0) == 2.0


@pytest.fixture
def index_in(monkeypatch, tmp_path):
    """Makes indices of one function in a folder in which what is kept stays, as processes do of their own."""
    from numba.core.caching import IndexDataCacheFile

    monkeypatch.setattr(IndexDataCacheFile, "save", IndexDataCacheFile.save)  # as it was, afterwards
    of_numba.keep_what_is_kept(tmp_path)
    return lambda folder=tmp_path: IndexDataCacheFile(str(folder), "function", 0)


def test_what_processes_keep_at_once_is_all_there(index_in):
    """The slower one has read the index when the other one comes, which has to wait until the line is there."""
    one, other = index_in(), index_in()
    thread = threading.Thread(target=other.save, args=("int", "of integers"))
    save_data = one._save_data

    def slowly(*what):
        thread.start()
        thread.join(0.3)
        assert thread.is_alive(), "two write at once"
        assert one.load("float") is None, "it is in the index before it is on the disk"
        save_data(*what)

    one._save_data = slowly
    one.save("float", "of floats")
    thread.join(60)
    assert (one.load("float"), one.load("int")) == ("of floats", "of integers")


def test_what_is_kept_is_not_replaced(index_in, tmp_path):
    index_in().save("float", "first")
    index_in().save("float", "second")
    assert index_in().load("float") == "first"
    for file in tmp_path.glob("*.nbc"):
        file.unlink()
    index_in().save("float", "second")
    assert index_in().load("float") == "second", "what has been deleted is not made anew"
    elsewhere = tmp_path.parent / f"{tmp_path.name}-elsewhere"  # numba's own folders are not ours to change
    for folder, kept in ((tmp_path / "inside", "first"), (elsewhere, "second")):
        folder.mkdir()
        index = index_in(folder)
        for words in ("first", "second"):
            index.save("float", words)
        assert index.load("float") == kept


@pytest.mark.parametrize("of", ["log-densities", "kernels"])
def test_machine_code_is_not_replaced(of):
    """Otherwise two processes that compile a kernel for two signatures may leave one the code of the other."""
    from numba.core.caching import IndexDataCacheFile
    from pytensor.link.numba.cache import NUMBA_CACHE_PATH

    from pymc_symplectic.kernels.compile import cache_directory

    folder = Path(NUMBA_CACHE_PATH if of == "log-densities" else cache_directory)
    name = f"function_of_a_test_{uuid4().hex}"
    index = IndexDataCacheFile(str(folder), name, 0)
    try:
        for words in ("first", "second"):
            index.save("float", words)
        assert index.load("float") == "first"
        assert list(folder.glob(f"{name}*.nbc")) != [folder / f"{name}.1.nbc"]
    finally:
        for file in folder.glob(f"{name}*"):
            file.unlink()


def test_own_contexts():
    from numba.core.registry import cpu_target

    common, here = cpu_target.target_context, []
    with of_numba.own_contexts() as apart:
        assert apart, "numba's contexts cannot be replaced: a first run may differ from a resumed one in the last bit"
        assert cpu_target.target_context is not common
        assert cpu_target.typing_context is not cpu_target._toplevel_typing_context
        # what is compiled goes by the contexts of its thread, and not by others that the target has somewhere
        function = numba.njit(lambda x: x + 1)
        assert function.targetctx is cpu_target.target_context
        assert function.typingctx is cpu_target.typing_context
        thread = threading.Thread(target=lambda: here.extend([cpu_target.target_context, numba.njit(_kind).targetctx]))
        thread.start()
        thread.join(60)
        assert function(1) == 2
    assert here == [common, common]
    assert cpu_target.target_context is common


def test_numba_error():
    with pytest.raises(of_numba.NumbaError):
        numba.njit(lambda x: x.nothing)(1.0)


# NumPy


@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_generator_addresses(kind):
    bits = getattr(np.random, kind)(1)
    assert {"state", *of_numpy.DRAWING} <= set(bits.ctypes._fields)
    addresses = of_numpy.generator_addresses(np.random.Generator(bits))
    assert len(addresses) == 4
    assert all(isinstance(address, int) and address for address in addresses)


def test_states_of_bit_generators():
    """Fields that say a place in another, which `snapshots` checks."""
    from pymc_symplectic.snapshots import _PLACES

    kinds = [getattr(np.random, kind)(1).state for kind in ("MT19937", "Philox")]
    found = {**kinds[0]["state"], **kinds[1]}
    assert {"key", "pos", "buffer", "buffer_pos"} <= found.keys()
    assert _PLACES.items() == {("pos", "key"), ("buffer_pos", "buffer")}


# PyTensor

x = pt.dvector("x")
shared = pytensor.shared(np.arange(3.0), "shared")


def test_compiles_by_numba():
    assert of_pytensor.compiles_by_numba("NUMBA")
    assert not of_pytensor.compiles_by_numba("CVM")
    assert of_pytensor.compiles_by_numba(None) == of_pytensor.compiles_by_numba(pytensor.config.mode)


def test_machine_code_and_linker_of(caplog):
    function = pytensor.function([x], [x.sum(), x * shared], mode="NUMBA")
    code = of_pytensor.machine_code(function, required=True)
    result, slope = code(np.ones(3), shared.get_value())
    assert (result, slope.tolist()) == (3.0, [0.0, 1.0, 2.0])
    assert type(of_pytensor.linker_of(function)).__name__ == "NumbaLinker"
    python = pytensor.function([x], x.sum(), mode="FAST_COMPILE")
    assert of_pytensor.machine_code(python) is None
    assert not caplog.text


def test_shared_storage():
    other = pytensor.shared(np.array(2, np.int32), "other")
    for mode in ("NUMBA", "FAST_COMPILE"):
        function = pytensor.function([x], x * shared + other, mode=mode)
        types, storage = of_pytensor.shared_storage(function, given=1)
        assert {typ.dtype for typ in types} == {"float64", "int32"}
        by_dtype = dict(zip((typ.dtype for typ in types), storage, strict=True))
        assert by_dtype["float64"][0] is shared.get_value(borrow=True)
        other.set_value(np.array(5, np.int32))
        assert by_dtype["int32"][0] == 5, "storage of a shared variable does not follow it"
        assert of_pytensor.shared_storage(pytensor.function([x], x + 1, mode=mode), given=1) == ([], [])


def test_storage_of():
    function = pytensor.function([x], x * shared, mode="NUMBA")
    _, storage = of_pytensor.shared_storage(function, given=1)
    assert storage[0] is of_pytensor.storage_of(shared)


@pytest.mark.filterwarnings("ignore:Numba will use object mode")
def test_interprets():
    plain, special = pt.exp(x).sum(), pt.psi(x).sum()  # of scipy, whose address is asked for once
    for graph, expected in ((plain, False), (special, False), (Quadratic()(x), True), (special * Quadratic()(x), True)):
        function = pytensor.function([x], graph, mode="NUMBA")
        assert of_pytensor.interprets(of_pytensor.machine_code(function, required=True)) == expected


def test_indexing():
    matrix, i, j = pt.dmatrix("matrix"), pt.lvector("i"), pt.lvector("j")
    read, written = matrix[:, i], matrix[i, j].set(1.0)
    assert of_pytensor.is_indexing(read.owner.op)
    assert of_pytensor.is_indexing(written.owner.op)
    assert not of_pytensor.is_indexing((matrix + 1).owner.op)
    whole, place = of_pytensor.index_places(read.owner)
    assert isinstance(whole, slice)
    assert read.owner.inputs[place] is i
    assert [written.owner.inputs[place] for place in of_pytensor.index_places(written.owner)] == [i, j]


def test_steps():
    vector, i = pt.dvector("vector"), pt.lvector("i")
    made = [vector * 2.0, vector / 2.0, vector + 2.0, vector[i], vector[1:], pt.exp(vector), vector[i].set(1.0)]
    expected = ["product", "quotient", "sum", "entries", "", "", ""]
    assert [of_pytensor.step_of(one.owner) for one in made] == expected
    with pm.Model():
        assert of_pytensor.step_of(pm.Deterministic("d", vector * 2.0).owner) == "view"


def test_replaced_graphs_share_the_rest():
    vector, other = pt.dvector("vector"), pt.dvector("other")
    rest = pt.exp(vector)
    graph = of_pytensor.with_replaced(other * 2.0 + rest, other, vector)
    assert other not in ancestors([graph]) and rest in ancestors([graph])
    assert of_pytensor.with_replaced(rest, other, vector) is rest


def test_lags():
    series = [pm.AR.dist(rho, 1.0, init_dist=pm.Normal.dist(), shape=5, constant=constant)
              for rho, constant in (([0.5], False), ([0.1, 0.5], True), ([0.1, 0.5], False))]  # fmt: skip
    assert [of_pymc.lags_of(one) for one in series] == [(1, False), (1, True), (2, False)]


def test_within_blocks():
    blocks = pt.linalg.inv(pt.dtensor3("blocks")).owner.op
    assert type(of_pytensor.within_blocks(blocks)).__name__ == "MatrixInverse", f"{blocks!r} hides what it applies"
    assert of_pytensor.within_blocks(pt.exp(x).owner.op) is pt.exp(x).owner.op


def test_inner_graphs():
    total = pytensor.scan(lambda value, total: value + total, x, pt.zeros(()), return_updates=False)[-1]
    loops = [node.op for node in io_toposort([], [total]) if isinstance(node.op, of_pytensor.HasInnerGraph)]
    assert loops
    assert all(loop.inner_outputs for loop in loops)


def test_places_of_operations():
    import pymc.dims  # noqa: F401

    assert of_pytensor.is_of_tensors(pt.exp(x).owner.op)
    assert of_pytensor.is_of_tensors(x[pt.lvector("i")].owner.op)
    assert not of_pytensor.is_of_tensors(Quadratic()(x).owner.op)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that named dimensions are new
        named = pytensor.xtensor.as_xtensor(x, dims=("place",))
    assert of_pytensor.is_of_dims((named + 1).owner.op)
    assert not of_pytensor.is_of_dims(pt.exp(x).owner.op)


def test_linker_of_jax():
    from pytensor.link.jax.linker import JAXLinker

    assert of_pytensor.is_of_jax(JAXLinker())
    assert not of_pytensor.is_of_jax(of_pytensor.linker_of(pytensor.function([x], x + 1, mode="NUMBA")))


def test_classes_of_operations():
    assert isinstance(pt.random.normal().owner.op, of_pytensor.RNGConsumerOp)
    assert isinstance(x.shape.owner.op, of_pytensor.Shape)
    assert issubclass(of_pytensor.Shape_i, pytensor.graph.op.Op)
    assert "float64" in of_pytensor.float_dtypes
    assert isinstance(pytensor.compile.ops.as_op([pt.dvector], [pt.dscalar])(np.sum), of_pytensor.FromFunctionOp)
    check = of_pytensor.CheckAndRaise(IndexError, "out of range")
    with pytest.raises(IndexError, match="out of range"):
        pytensor.function([x], check(x, pt.all(x > 0)), mode="FAST_COMPILE")(np.zeros(1))
    with pytest.raises((of_pytensor.NullTypeGradError, NotImplementedError)):
        pytensor.grad(pt.random.normal(x).sum(), x)


def test_values_of_shared_variables_are_known_by_what_they_are():
    """`IndexCheck` looks anew at what is another object: documented, but for that it is the same one."""
    assert shared.get_value(borrow=True) is shared.get_value(borrow=True)


# PyMC


class Plain(of_pymc.Step, state=of_pymc.StepMethodState):
    progress_columns = (("energy", "Energy", ":0.1f"),)
    stats_dtypes_shapes = {"energy": (float, []), "divergences": (int, [])}  # noqa: RUF012

    def __init__(self, vars=None, *, model=None, blocked=True, rng=None):
        self.vars, self.rng = vars, of_pymc.get_random_generator(rng)

    def step(self, point):
        return point, [{"energy": 1.5, "divergences": 2}]

    @staticmethod
    def competence(var, has_grad):
        return of_pymc.Competence.COMPATIBLE


def test_step():
    from pymc.progress_bar import MCMCProgressBarManager

    with pm.Model() as model:
        pm.Normal("x")
        step = Plain(model.value_vars)
    bars = MCMCProgressBarManager(step_method=step, chains=2, draws=5, tune=5, progressbar=True)
    assert bars.progress_stats["energy"] == [0, 0], MOVED.format("_progressbar_config of PyMC", "Step")
    (update,) = bars.update_stats_functions
    shown = update({"energy": 1.5, "divergences": 2, "other": 0})
    assert shown == {"energy": 1.5, "failing": True}, MOVED.format("_make_progressbar_update_functions of PyMC", "Step")
    state = step.sampling_state
    assert isinstance(state, of_pymc.StepMethodState), MOVED.format("_state_class of PyMC", "Step")
    assert state.var_names == ["x"]
    assert step.__getnewargs_ex__()[0][0] == step.vars


def test_in_second_worker():
    assert not of_pymc.in_second_worker()
    process = multiprocessing.current_process()
    before = process.name
    try:
        process.name = "worker_chain_1"
        assert of_pymc.in_second_worker()
    finally:
        process.name = before
    from pymc.sampling import parallel

    assert 'f"worker_chain_{' in inspect.getsource(parallel), MOVED.format("the name of a worker", "in_second_worker")


class Bars(of_pymc.BarManager):
    step_name = "Draw"

    def update(self):
        self.show(task_id=0, advance=1, failing=False, stats={"draw": 1}, is_last=False, total=5)


@pytest.mark.parametrize("progressbar", [True, False, "combined"])
def test_bar_manager(progressbar, caplog, capsys):
    bars = Bars(n_bars=2, progressbar=progressbar, progressbar_theme=None)
    bars.begin(5, [], {"draw": [0, 0], "marker_pos": [0, 0]})
    with bars:
        bars.update()
    assert not caplog.text, MOVED.format("a progress bar of PyMC", "BarManager")
    assert bars.combined_progress is (progressbar == "combined")
    assert bars.full_stats is not (progressbar == "combined")
    assert bool(capsys.readouterr().out.strip()) is (progressbar is not False)


@pytest.mark.parametrize("fault", ["made", "updated"])
def test_no_bars_where_pymc_draws_them_in_another_way(fault, caplog, monkeypatch):
    bars = Bars(n_bars=1, progressbar=True)
    if fault == "made":
        monkeypatch.setattr(Bars, "_create_backend", lambda self, chains: None, raising=False)
    bars.begin(5, [], {"draw": [0], "marker_pos": [0]})
    with bars:
        if fault == "updated":
            monkeypatch.setattr(type(bars._backend), "update", lambda self, task: None)
        bars.update()
        bars.update()
    assert caplog.text.count("does not fit pymc") == 1


def test_distribution_of():
    with pm.Model():
        name, (location, scale) = of_pymc.distribution_of(pm.Laplace("a", 1.0, 2.0))
        assert of_pymc.distribution_of(pm.Normal("b"))[0] == "Normal"
        assert of_pymc.distribution_of(pm.HalfCauchy("c", 2.0))[0] == "HalfCauchy"  # which is made of others
        assert of_pymc.distribution_of(pm.Deterministic("d", location + 1)) == ("", ())
        factor = pm.LKJCholeskyCov("e", n=2, eta=1, sd_dist=pm.HalfNormal.dist(shape=2), compute_corr=False)
        assert of_pymc.distribution_of(factor)[0] == "LKJCholeskyCov"
    assert (name, float(location.eval()), float(scale.eval())) == ("Laplace", 1.0, 2.0)


def test_random_operations():
    batch = pm.Minibatch(np.arange(10.0), batch_size=2)
    assert isinstance(batch.owner.op, of_pymc.MinibatchOp)
    with pm.Model():
        simulated = pm.Simulator("s", lambda rng, a, size: rng.normal(a, size=size), 1.0, observed=[1.0])
    assert isinstance(simulated.owner.op, of_pymc.SimulatorRV)


def test_data_of_a_model(normal_model):
    assert list(of_pymc.find_observations(normal_model)) == ["y"]
    assert list(of_pymc.find_constants(normal_model)) in ([], ["data"])
    with pm.Model() as model:
        pm.Normal("x", pm.Data("mean", [1.0, 2.0]))
    assert of_pymc.find_constants(model)["mean"].tolist() == [1.0, 2.0]
    assert not of_pymc.find_observations(model)


def test_run_convergence_checks(caplog):
    """It looks at names of variables alone, so that what is no model may stand for one."""
    import xarray as xr

    draws = np.random.default_rng(1).normal(size=(4, 200)) + 10 * np.arange(4)[:, None]
    posterior = xr.Dataset({"x": (("chain", "draw"), draws)}, {"chain": range(4), "draw": range(200)})
    stats = xr.Dataset({"diverging": (("chain", "draw"), np.zeros((4, 200), bool))})
    idata = xr.DataTree.from_dict({"/posterior": posterior, "/sample_stats": stats})
    model = SimpleNamespace(free_RVs=[SimpleNamespace(name="x")], deterministics=[])
    found = of_pymc.run_convergence_checks(idata, model)
    assert any("rhat" in str(warning.message).lower() for warning in found)
    of_pymc.log_warnings(found)
    assert "rhat" in caplog.text.lower()


def test_functions_that_are_taken_as_they_are():
    with pm.Model() as model:
        pm.HalfNormal("x", initval=1.0)
    assert of_pymc.make_initial_point_fn(model=model)(0) == {"x_log__": 0.0}
    inside = of_pymc.make_initial_point_fn(model=model, overrides={model["x"]: 2.0}, return_transformed=False)(0)
    assert float(inside["x"]) == 2.0
    (begun,) = of_pymc.make_initial_point_expression(
        free_rvs=model.free_RVs, rvs_to_transforms=model.rvs_to_transforms, initval_strategies={model["x"]: 3.0}
    )
    assert float(begun.eval()) == pytest.approx(3.0)
    assert of_pymc.get_default_varnames(["x", "x_log__"], include_transformed=False) == ["x"]
    graph = model.logp()
    value = model.compile_fn(of_pymc.rewrite_pregrad(graph))(model.initial_point())
    assert np.isfinite(value)
    first, again = (of_pymc.get_random_generator(7) for _ in range(2))
    assert first.random() == again.random()
    assert issubclass(of_pymc.CustomProgress, rich.progress.Progress)
    assert of_pymc.default_progress_theme.styles
    assert of_pymc.dataclass_state
    assert of_pymc.PointType
    assert of_pymc.StatsType
    assert of_pymc.RandomGenerator


def test_traces_of_ours_are_converted():
    """`pymc.to_inference_data` asks `run.multitrace.MultiTraceView` no more than it has."""
    from pymc_symplectic.run.multitrace import MultiTraceView

    values, stats = {"x": np.zeros((2, 5))}, {"diverging": np.zeros((2, 5), bool)}
    with pm.Model() as model:
        pm.Normal("x")
    idata = pm.to_inference_data(MultiTraceView(values, stats, 2, 1.0), model=model, save_warmup=True)
    assert {"posterior", "sample_stats", "warmup_posterior"} <= set(idata.children)
    assert idata["posterior"].sizes == {"chain": 2, "draw": 3}


# JAX and zarr, where they are installed


def test_jax():
    name = "jax._src.xla_bridge"
    code = f"import sys; from pymc_symplectic.native import jax; print(jax.has_started(), {name!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"], "the package imports JAX"
    real = pytest.importorskip("jax")
    has(sys.modules[name], "backends_are_initialized", jax.has_started)
    real.devices()
    assert jax.has_started()


ENDING = """
import threading, time
from concurrent.futures import ThreadPoolExecutor
from pymc_symplectic.native.python import before_threads_are_joined

stopped = threading.Event()
ThreadPoolExecutor(1).submit(stopped.wait, 60)
thread = threading.Thread(target=stopped.wait, args=(60,))
thread.start()
before_threads_are_joined(stopped.set)
before_threads_are_joined(lambda: print(thread.is_alive()))
"""


def test_before_threads_are_joined():
    """Otherwise a program would wait for all draws of a run in the background."""
    done = subprocess.run([sys.executable, "-c", ENDING], capture_output=True, text=True, check=False, timeout=50)
    assert (done.stdout.strip(), done.stderr) == ("True", ""), "threading._register_atexit has moved"


def test_metadata_that_zarr_consolidates(tmp_path):
    """`store.layout` rewrites lengths where they stand: in each array, and once more at the root."""
    zarr = pytest.importorskip("zarr")
    root = zarr.open_group(tmp_path, mode="w", zarr_format=3)
    root.create_array("group/x", shape=(2, 3), chunks=(1, 3), dtype="f8", dimension_names=["chain", "draw"])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Consolidated metadata", UserWarning)
        zarr.consolidate_metadata(str(tmp_path), zarr_format=3)
    read = json.loads((tmp_path / "zarr.json").read_text())
    assert read["consolidated_metadata"]["metadata"]["group/x"]["shape"] == [2, 3]
    array = json.loads((tmp_path / "group/x/zarr.json").read_text())
    assert array["shape"] == [2, 3]
    assert array["chunk_grid"]["configuration"]["chunk_shape"] == [1, 3]
    assert root["group/x"].with_config({"write_empty_chunks": True}).metadata.dimension_names == ("chain", "draw")


# Versions that do not fit say so.


def test_a_name_that_has_moved_is_reported():
    words = rf"numba {numba.__version__}.*nowhere.*0\.61"
    with pytest.raises(versions.UnfitVersionError, match=words) as caught, versions.needed("numba"):
        from numba import nowhere  # noqa: F401
    assert isinstance(caught.value, ImportError)
    for library in versions.SEEN:
        message = str(versions.unfit(library, "it has no x"))
        assert f"does not fit {library}" in message
        assert "install one of these" in message


def test_slower_without(monkeypatch, caplog, tmp_path):
    """Functions with a fallback go on by it, and say so."""
    monkeypatch.setattr(of_numba, "CPUTarget", SimpleNamespace(options=object))
    assert of_numba.without_counting() == {}
    monkeypatch.delattr(numba.config, "CACHE_DIR")
    with of_numba.cache_in(str(tmp_path)) as kept:
        assert not kept
    monkeypatch.setattr(of_numba, "cpu_target", None)
    with of_numba.own_contexts() as apart:
        assert not apart
    function = pytensor.function([x], x.sum(), mode="NUMBA")
    hidden = SimpleNamespace(vm=None, maker=function.maker)
    assert of_pytensor.machine_code(hidden) is None
    with pytest.raises(versions.UnfitVersionError, match="does not fit pytensor"):
        of_pytensor.machine_code(hidden, required=True)
    assert len(caplog.records) == 4
    plain = SimpleNamespace(compile=lambda types: None)
    assert of_numba.entry_point(plain, []) is plain
