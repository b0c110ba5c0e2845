"""What each tool counts, as data: a figure of ours plus named terms.

A term is a small whole number times a count from our own rows, by the rule that stands in the tool's source.
None is fitted: what the terms do not reach is printed as "not explained".
"""

from __future__ import annotations

from . import ask
from .terms import (
    AND_IMAGE,
    AND_PARAMETERS,
    AVG_POOL,
    BIASES,
    CONVS,
    IMAGE,
    MAX_POOLS,
    MODEL_SIZE,
    NORMS,
    OUTPUTS_OF_MODULES,
    OUTPUTS_OF_OWNERS,
    RELUS,
    SCAN_FLOPS,
    SCAN_MACS,
    SCAN_MEANS,
    SCAN_TRAFFIC,
    Figure,
    Term,
    Tool,
    parameters,
)

TOOLS = (
    Tool(
        "torchinfo",
        "torchinfo",
        ask.torchinfo,
        "layer_info.py (calculate_macs), model_statistics.py, torchinfo.py (get_total_memory_used)",
        "Runs one pass in eval mode. A layer's MACs are its parameters times the places of its output: so a"
        " bias is a MAC, and a batch norm costs one a parameter, however large its maps. Its MB are 10^6 "
        "bytes.",
        (
            parameters("total_params"),
            Figure(
                "total_mult_adds",
                "operations",
                "MACs",
                "MACs, biases added",
                (BIASES, Term(1, "parameters", NORMS, "once an image, not once a value")),
            ),
            Figure(
                "total_output_bytes",
                "memory",
                "bytes of the notes' table",
                "outputs of layers with parameters, twice",
                OUTPUTS_OF_OWNERS,
            ),
            Figure(
                "Estimated Total Size",
                "memory",
                "bytes of the notes' table",
                "the same, with parameters and image",
                (
                    *OUTPUTS_OF_OWNERS,
                    AND_IMAGE,
                    Term(1, "storage object", (), "the image's Python object (measured: sys.getsizeof)"),
                    AND_PARAMETERS,
                ),
            ),
        ),
    ),
    Tool(
        "fvcore",
        "fvcore",
        ask.fvcore,
        "nn/flop_count.py, nn/jit_handles.py (elementwise_flop_counter, batchnorm_flop_jit)",
        "Traces the network in the mode it is in, here training. What it calls a flop is one multiply-add; "
        "to these it adds single operations of the norms and of the average pool.",
        (
            parameters("parameter_count"),
            Figure(
                "FlopCountAnalysis",
                "operations",
                "MACs",
                "MACs, and operations of average pool and norms",
                (
                    Term(1, "values in", AVG_POOL, "one a value"),
                    Term(5, "values in", NORMS, "five a value in training; two in eval mode"),
                ),
            ),
            Figure(
                "ActivationCountAnalysis",
                "memory",
                "values of the notes' table",
                "values, not bytes: outputs of convolutions and linear layers",
                (
                    Term(-1, "values out", IMAGE, "the image is no layer's output"),
                    Term(-1, "values out", MAX_POOLS, "only convolutions and matrix products count"),
                ),
            ),
        ),
    ),
    Tool(
        "thop",
        "thop",
        ask.thop,
        "vision/basic_hooks.py (count_adap_avgpool, count_normalization), vision/calc_func.py "
        "(calculate_norm)",
        "Hooks modules, in eval mode. Convolutions and linear layers count as ours do, without biases.",
        (
            parameters("params"),
            Figure(
                "macs",
                "operations",
                "MACs",
                "MACs, and operations of average pool and norms",
                (
                    Term(2, "values out", AVG_POOL, "a window of one value is added up, then divided"),
                    Term(4, "values in", NORMS, "two a value, and that twice, for scale and shift"),
                ),
            ),
        ),
    ),
    Tool(
        "ptflops",
        "ptflops",
        ask.ptflops,
        "pytorch_ops.py (MODULES_MAPPING, FUNCTIONAL_MAPPING), pytorch_engine.py (patch_functional), "
        "aten_ops.py",
        "Has two backends, both in eval mode. The default one hooks modules and patches functions as well; "
        "a module calls its function, so each ReLU and each pool counts twice. The other, aten, counts "
        "convolutions and matrix products alone.",
        (
            parameters("params"),
            Figure(
                "macs",
                "operations",
                "MACs",
                "MACs, biases, norms, and ReLUs and pools twice",
                (
                    BIASES,
                    Term(2, "values in", RELUS, "once as nn.ReLU, once as F.relu"),
                    Term(2, "values in", ("maxpool", "avgpool"), "once as a module, once as a function"),
                    Term(2, "values in", NORMS, "two a value; its function is not patched"),
                ),
            ),
            Figure("macs, backend aten", "operations", "MACs", "MACs, biases added", (BIASES,)),
        ),
    ),
    Tool(
        "calflops",
        "calflops",
        ask.calflops,
        "pytorch_ops.py (_conv_flops_compute, _linear_flops_compute, _pool_flops_compute, "
        "_relu_flops_compute, _batch_norm_flops_compute)",
        "Patches torch.nn.functional, in eval mode. It keeps MACs and FLOPs apart. Its FLOPs have the bias "
        "of a convolution, and not that of a linear layer.",
        (
            parameters("params"),
            Figure("MACs", "operations", "MACs", "MACs"),
            Figure(
                "FLOPs",
                "operations",
                "FLOPs, 2 a MAC",
                "FLOPs, with ReLUs, pools, norms and some biases",
                (
                    Term(1, "values out", CONVS, "its bias"),
                    Term(1, "values in", ("relu", "maxpool", "avgpool"), "one a value"),
                    Term(2, "values in", NORMS, "two a value in eval mode"),
                ),
            ),
        ),
    ),
    Tool(
        "torchscan 0.2",
        "torchscan",
        ask.torchscan,
        "modules/macs.py, modules/flops.py, modules/memory.py, flops.py",
        "Runs in eval mode, and gives each total its unit, method and status: FlopCounterMode's it calls "
        "'partial', which has no formula for ReLUs, pools and norms.",
        (
            parameters("parameters"),
            Figure(
                "macs",
                "operations",
                "MACs",
                SCAN_MEANS["macs"],
                (*SCAN_MACS, Term(2, "values in", NORMS, "one to normalise, one to scale")),
            ),
            Figure(
                "module_flops",
                "operations",
                "FLOPs, 2 a MAC",
                SCAN_MEANS["flops"],
                (
                    *SCAN_FLOPS,
                    Term(4, "values in", NORMS, "less mean, by deviation, times scale, plus shift"),
                    Term(1, "parameters", NORMS, "two a channel: plus eps, the root"),
                ),
            ),
            Figure("operator_flops", "operations", "FLOPs, 2 a MAC", "FlopCounterMode's FLOPs"),
            MODEL_SIZE,
            Figure("dmas", "traffic", "MACs", SCAN_MEANS["dmas"], SCAN_TRAFFIC),
        ),
    ),
    Tool(
        "torchscan 0.2, peak",
        "torchscan",
        ask.torchscan_peak,
        "process/memory.py (measure_peak_memory)",
        "Runs a real step under PyTorch's profiler, and reads two numbers off it: the first and the highest.",
        (
            Figure(
                "peak_bytes",
                "memory",
                "peak of tensors",
                "the allocator's peak in a step",
                (Term(1, "scratch", (), "oneDNN's scratch, measured by `vgg-profile measure` in this run"),),
            ),
            Figure("baseline_bytes", "memory", "live, input given", "weights, buffers, images and targets"),
        ),
    ),
    Tool(
        "torchscan 0.1",
        "torchscan",
        ask.old_torchscan,
        "modules/macs.py, modules/flops.py, modules/memory.py",
        "The older interface runs in the mode that the network is in, here training: a batch norm's update "
        "of its running statistics counts too.",
        (
            parameters("params"),
            Figure(
                "macs",
                "operations",
                "MACs",
                SCAN_MEANS["macs"],
                (
                    *SCAN_MACS,
                    Term(5, "values in", NORMS, "two as in eval mode, three for the statistics"),
                    Term(1, "parameters", NORMS, "two a channel, to blend the statistics in"),
                ),
            ),
            Figure(
                "flops",
                "operations",
                "FLOPs, 2 a MAC",
                SCAN_MEANS["flops"],
                (
                    *SCAN_FLOPS,
                    Term(8, "values in", NORMS, "four as in eval mode, four for the statistics"),
                    Term(4, "parameters", NORMS, "eight a channel: eps, the root, six to blend them in"),
                ),
            ),
            MODEL_SIZE,
            Figure(
                "dmas",
                "traffic",
                "MACs",
                SCAN_MEANS["dmas"],
                (
                    *SCAN_TRAFFIC,
                    Term(1, "parameters", NORMS, "two running statistics are updated"),
                    Term(1, "modules", NORMS, "so is the count of batches"),
                ),
            ),
        ),
        folder=".venv-torchscan-0.1.2",
    ),
    Tool(
        "torchsummary",
        "torchsummary",
        ask.torchsummary,
        "torchsummary.py",
        "Runs a batch of two in training mode, and reports one image. It gives printed text alone, so its "
        "sizes are compared at their two decimals. Its MB are MiB. It counts every module: flattening is "
        "one here, and a mere function in torchvision's VGG, for which it prints less.",
        (
            parameters("Total params"),
            Figure(
                "Forward/backward pass size (MB)",
                "memory",
                "bytes of the notes' table",
                "every module's output, twice",
                OUTPUTS_OF_MODULES,
                unit=2**20,
            ),
            Figure("Params size (MB)", "memory", "bytes of parameters", "parameters", unit=2**20),
            Figure(
                "Estimated Total Size (MB)",
                "memory",
                "bytes of the notes' table",
                "the same, with parameters and image",
                (*OUTPUTS_OF_MODULES, AND_IMAGE, AND_PARAMETERS),
                unit=2**20,
            ),
        ),
    ),
    Tool(
        "torchprofile",
        "torchprofile",
        ask.torchprofile,
        "handlers.py (_convolution, _addmm, _avg_pool_or_mean, _norm)",
        "Traces the network in the mode it is in. Biases, ReLUs and max pools cost nothing.",
        (
            Figure(
                "profile_macs",
                "operations",
                "MACs",
                "MACs, and one a value of average pool and norms",
                (
                    Term(1, "values out", AVG_POOL, "one a value"),
                    Term(1, "values out", NORMS, "one a value, for scale and shift"),
                ),
            ),
        ),
    ),
    Tool(
        "FlopCounterMode",
        "torch",
        ask.flop_counter,
        "utils/flop_counter.py",
        "PyTorch's own. Two FLOPs a MAC of convolutions and matrix products, and nothing else. Backward "
        "costs each of them that twice again, but for the first, whose input wants no gradient.",
        (
            Figure("forward", "operations", "FLOPs, 2 a MAC", "FLOPs"),
            Figure(
                "forward and backward", "operations", "FLOPs, forward and backward", "FLOPs of both passes"
            ),
        ),
    ),
    Tool(
        "MemTracker",
        "torch",
        ask.mem_tracker,
        "distributed/_tools/mem_tracker.py (_MemRefType, _track, _update_peak_stats)",
        "PyTorch's own, in a private module. Through a real forward and backward pass it follows every "
        "storage that an operation returns. What a kernel takes and gives back within one operation, it "
        "does not see.",
        (
            Figure(
                "Total, peak",
                "memory",
                "peak of tensors",
                "the most tensors at once in a step, between operations",
                (Term(1, "hidden peak", (), "temporaries within kernels unseen, another moment is highest"),),
            ),
            Figure(
                "Activation, after forward",
                "memory",
                "saved for backward",
                "maps, pool indices, masks in one",
            ),
            Figure("Parameter, after forward", "memory", "bytes of parameters", "parameters"),
            Figure("Total, after forward", "memory", "live after forward", "all that is live"),
            Figure("Gradient, after backward", "memory", "bytes of parameters", "gradients"),
            Figure("Total, after backward", "memory", "live after backward", "all that is live"),
        ),
    ),
)
