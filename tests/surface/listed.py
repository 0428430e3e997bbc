"""The names of the surface, group by group: what has to be there, whatever is there today."""


def _names(text):
    return tuple(text.split())


GROUPS = {
    "elementwise, one argument": _names(
        "abs absolute fabs negative positive square sqrt cbrt reciprocal exp exp2 expm1 log log2 "
        "log10 log1p sin cos tan arcsin asin arccos acos arctan atan sinh cosh tanh arcsinh asinh "
        "arccosh acosh arctanh atanh sinc i0 deg2rad radians degrees rad2deg real imag conj "
        "conjugate angle real_if_close nan_to_num frexp modf sign floor ceil rint trunc fix round "
        "around spacing"
    ),
    "elementwise, several arguments": _names(
        "add subtract multiply divide true_divide power pow float_power mod remainder fmod "
        "floor_divide divmod maximum minimum fmax fmin arctan2 atan2 hypot logaddexp logaddexp2 "
        "copysign ldexp nextafter heaviside where clip"
    ),
    "reductions and statistics": _names(
        "sum prod mean std var max min amax amin median ptp average percentile quantile nansum "
        "nanprod nanmean nanstd nanvar nanmax nanmin nanmedian nanpercentile nanquantile trapezoid "
        "cov corrcoef bincount histogram histogram2d histogramdd"
    ),
    "cumulative, differences": _names(
        "cumsum cumprod cumulative_sum cumulative_prod nancumsum nancumprod diff ediff1d gradient "
        "unwrap"
    ),
    "sorting, searching, selecting, sets": _names(
        "sort partition sort_complex take take_along_axis compress extract choose select piecewise "
        "interp unique unique_values unique_all unique_counts unique_inverse intersect1d union1d "
        "setdiff1d setxor1d trim_zeros"
    ),
    "shape, joining, splitting, indexing": _names(
        "reshape ravel transpose permute_dims matrix_transpose swapaxes moveaxis rollaxis "
        "expand_dims squeeze atleast_1d atleast_2d atleast_3d broadcast_to broadcast_arrays flip "
        "fliplr flipud rot90 roll repeat tile resize pad concatenate concat stack hstack vstack "
        "dstack column_stack block append insert delete split array_split hsplit vsplit dsplit "
        "unstack diag diagflat diagonal tril triu meshgrid ix_ r_ c_ copy array asarray asanyarray "
        "ascontiguousarray asfortranarray asarray_chkfinite require astype"
    ),
    "creation with traced ends": _names(
        "full full_like linspace logspace geomspace arange fromfunction vander"
    ),
    "functions that write": _names("put put_along_axis place fill_diagonal copyto"),
    "functionals": _names("apply_along_axis apply_over_axes vectorize frompyfunc"),
    "contractions, products": _names(
        "dot matmul inner outer vdot vecdot matvec vecmat tensordot einsum kron cross trace "
        "convolve correlate"
    ),
    "polynomials": _names(
        "poly polyadd polysub polymul polydiv polyder polyint polyval polyfit roots"
    ),
    "numpy.linalg": _names(
        "linalg.cholesky linalg.cond linalg.cross linalg.det linalg.diagonal linalg.eig "
        "linalg.eigh linalg.eigvals linalg.eigvalsh linalg.inv linalg.lstsq linalg.matmul "
        "linalg.matrix_norm linalg.matrix_power linalg.matrix_rank linalg.matrix_transpose "
        "linalg.multi_dot linalg.norm linalg.outer linalg.pinv linalg.qr linalg.slogdet "
        "linalg.solve linalg.svd linalg.svdvals linalg.tensordot linalg.tensorinv "
        "linalg.tensorsolve linalg.trace linalg.vecdot linalg.vector_norm"
    ),
    "numpy.fft": _names(
        "fft.fft fft.fft2 fft.fftn fft.fftshift fft.hfft fft.ifft fft.ifft2 fft.ifftn "
        "fft.ifftshift fft.ihfft fft.irfft fft.irfft2 fft.irfftn fft.rfft fft.rfft2 fft.rfftn"
    ),
    "operators, methods, attributes": (
        *("x + y", "x - y", "x * y", "x / y", "x % y", "x ** y", "x @ y", "x // y"),
        *("divmod(x, y)", "abs(x)", "+x", "-x", "round(x)"),
        *("x[i]", "x[i:j]", "x[..., None]", "x[mask]", "x[indices]", "for e in x"),
        *("x += y", "x[i] = v", "np.zeros(n)[i] = x", "out=", "ufunc.reduce", "ufunc.accumulate"),
        *("ufunc.outer", "ufunc.reduceat", "ufunc.at", "where=", "initial=", "dtype="),
        *("np.sin of a number", "np.sum of a list", "np.concatenate of numbers"),
        *("np.linalg.inv of a list", "math.sin"),
        *("x.sum", "x.prod", "x.mean", "x.std", "x.var", "x.max", "x.min", "x.cumsum"),
        *("x.cumprod", "x.ravel", "x.flatten", "x.reshape", "x.transpose", "x.squeeze"),
        *("x.swapaxes", "x.repeat", "x.take", "x.diagonal", "x.trace", "x.clip", "x.round"),
        *("x.dot", "x.copy", "x.astype", "x.compress", "x.conj", "x.conjugate", "x.item"),
        *("x.tolist", "x.view", "x.T", "x.mT", "x.real", "x.imag", "x.flat"),
        *("at(x)[i].set", "at(x)[i].add"),
    ),
    "without derivative: predicates": _names(
        "all any allclose isclose array_equal array_equiv equal not_equal less less_equal greater "
        "greater_equal logical_and logical_or logical_not logical_xor bitwise_and bitwise_or "
        "bitwise_xor bitwise_not bitwise_invert bitwise_left_shift bitwise_right_shift "
        "bitwise_count invert left_shift right_shift isfinite isinf isnan isnat isneginf isposinf "
        "iscomplex iscomplexobj isreal isrealobj isscalar isin isdtype issubdtype signbit gcd lcm "
        "packbits unpackbits"
    ),
    "without derivative: searches": _names(
        "argmax argmin nanargmax nanargmin argsort argpartition argwhere nonzero flatnonzero "
        "count_nonzero lexsort searchsorted digitize histogram_bin_edges"
    ),
    "without derivative: index builders": _names(
        "indices diag_indices diag_indices_from tril_indices tril_indices_from triu_indices "
        "triu_indices_from mask_indices ravel_multi_index unravel_index broadcast_shapes"
    ),
    "without derivative: constants, windows": _names(
        "zeros zeros_like ones ones_like empty empty_like eye identity tri bartlett blackman "
        "hamming hanning kaiser fft.fftfreq fft.rfftfreq"
    ),
    "without derivative: shapes, dtypes": _names(
        "shape ndim size result_type promote_types can_cast common_type min_scalar_type "
        "mintypecode typename iterable isfortran may_share_memory shares_memory einsum_path "
        "from_dlpack"
    ),
    "without derivative: text, files, dates, state": _names(
        "array2string array_repr array_str asmatrix bmat base_repr binary_repr busday_count "
        "busday_offset is_busday datetime_as_string datetime_data format_float_positional "
        "format_float_scientific frombuffer fromfile fromiter fromregex fromstring genfromtxt "
        "get_include get_printoptions set_printoptions printoptions getbufsize setbufsize geterr "
        "seterr geterrcall seterrcall info load loadtxt save savetxt savez savez_compressed "
        "nested_iters putmask show_config show_runtime test"
    ),
}
