// batch_norm.wgsl's backward_input behind a max pool: dy is the gradient of the pool's output. The windows tile the map (STRIDE is WINDOW,
// PAD 0), so a pixel's gradient is that of its window, if it is the first in it that equals what x was where the maximum is, and
// 0 elsewhere. Rows are lines of windows here: a row lane walks one, and what lies past the last whole window with it. WHOLE, in front:
// nothing does.

@group(0) @binding(5) var<storage, read> winners: array<S>;             // [n, h_out, w_out, c]: x where the maxima are
@group(0) @binding(6) var<storage, read_write> dx_pooled: array<S>;     // [n, h_in, w_in, c]

@compute @workgroup_size(8, 8)
fn backward_input_pooled(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let g = group.x * 8u + place_of(id.x);
    if g < params.groups {
        let channel = channel_of(g);
        let in_size = params.in_size;
        let out_size = params.out_size;
        let lines = (in_size + WINDOW - 1u) / WINDOW;
        let rows = rows_of(group.y, id.y);
        let line_step = in_size.y * params.groups;
        for (var row = rows.first; row < rows.end; row += rows.step) {
            let sample = row / lines.x;
            let line = row % lines.x;
            let line_out = (sample * out_size.x + line) * out_size.y * params.groups + g;
            let line_in = (sample * in_size.x + line * WINDOW.x) * line_step + g;
            for (var column = 0u; column < lines.y; column++) {
                var d = F();
                var winner = F();
                if WHOLE || (line < out_size.x && column < out_size.y) {
                    let o = line_out + column * params.groups;
                    d = load(dy[o]);
                    winner = load(winners[o]);
                }
                let corner = line_in + column * WINDOW.y * params.groups;
                var looking = B(true);
                for (var r = 0u; r < WINDOW.x; r++) {
                    for (var s = 0u; s < WINDOW.y; s++) {
                        if WHOLE || (line * WINDOW.x + r < in_size.x && column * WINDOW.y + s < in_size.y) {
                            let i = corner + r * line_step + s * params.groups;
                            let v = load(x[i]);
                            let found = looking & (v == winner);
                            looking = looking & (v != winner);
                            dx_pooled[i] = stored(input_gradient(channel, v, select(F(), d, found)));
                        }
                    }
                }
            }
        }
    }
}
