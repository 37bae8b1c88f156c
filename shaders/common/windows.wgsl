// Windows over a map, as pools and depthwise convolutions slide them. In front stand WINDOW, STRIDE and PAD (before the first row and
// column), pairs of height and width, and INSIDE: whether every window lies on the map whole. They are constants so that drivers
// unroll the loops over taps; the sizes of the maps are `params.in_size` and `params.out_size`.

// Rows and columns from `first`, before `end`.
struct Span { first: vec2<u32>, end: vec2<u32> }

// The taps that lie on the map of the window with this top left corner, counted from the padding's.
fn taps_on_map(corner: vec2<u32>) -> Span {
    if INSIDE {
        return Span(vec2(0u), WINDOW);
    }
    return Span(max(PAD, corner) - corner, min(WINDOW, params.in_size + PAD - corner));
}

// The windows over a pixel, counted from the padding's corner: o STRIDE <= at < o STRIDE + WINDOW.
fn windows_over(at: vec2<u32>) -> Span {
    let first = select(vec2(0u), (at - WINDOW) / STRIDE + 1u, at >= WINDOW);
    return Span(first, min(at / STRIDE + 1u, params.out_size));
}
