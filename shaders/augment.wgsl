// augment: what a training step does to its images. `warp` moves pixels: y(r, c) = x at (R, C) = M (r, c, 1), bilinear, filled
// outside. `pixels` changes values: blur, brightness, contrast, noise, erasing. The numbers of each image are its row of `rows`.
// warp: one invocation a pixel, all its channels. pixels: one workgroup a channel of an image, for the mean that contrast needs; one
// invocation every 256th four neighbouring pixels of it, which share a Philox block. Workgroups are folded over x and y of the grid.
// Prelude: common/philox.wgsl.

struct Params {
    n: u32,                 // images of the slice
    h: u32,
    w: u32,
    c: u32,                 // channels, at most 4
    fill: u32,              // outside: 0 cval, 1 the nearest pixel, 2 reflected about the edge, 3 wrapped
    cval: f32,              // a pixel value
    padding0: u32,
    padding1: u32,
    scale: vec4<f32>,       // of each channel: x = scale * pixel + offset, a pixel being 0 to 255
    offset: vec4<f32>,
}
@group(0) @binding(0) var<uniform> params: Params;

@group(0) @binding(1) var<storage, read> x: array<f32>;             // [n, h, w, c]
@group(0) @binding(2) var<storage, read> rows: array<Quad>;         // [n, 4]: R's factors, key; C's, key; look; erased rows, columns
@group(0) @binding(3) var<storage, read_write> y: array<f32>;       // [n, h, w, c]

// Two neighbours along an axis, and how far the place is from the first to the second.
struct Taps {
    low: u32,
    high: u32,
    fraction: f32,
    inside: bool,
}

// `i` of an axis that goes on as its own mirror image, edges doubled: c b a | a b c | c b a.
fn reflected(i: i32, size: u32) -> u32 {
    // -1 is 0's image, -2 is 1's. A remainder only of what is not negative: OpenGL leaves the others' undefined.
    let m = u32(select(i, -1 - i, i < 0)) % (2u * size);
    return min(m, 2u * size - 1u - m);
}

fn taps(place: f32, size: u32) -> Taps {
    let last = f32(size - 1u);
    let inside = place >= 0.0 && place <= last;
    var at = place;
    if params.fill == 2u {
        let low = floor(at);
        let i = i32(low);
        return Taps(reflected(i, size), reflected(i + 1, size), at - low, true);
    }
    if params.fill == 3u && !inside {
        // The last pixel is the first again, as in SciPy's `wrap`. max: an axis of one pixel has no period, and is clamped below.
        let period = max(last, 1.0);
        at += select(-period * trunc(at / period), period * (trunc(-at / period) + 1.0), at < 0.0);
    }
    at = clamp(at, 0.0, last);
    let low = floor(at);
    let i = u32(low);
    return Taps(i, min(i + 1u, size - 1u), at - low, inside || params.fill != 0u);
}

@compute @workgroup_size(64)
fn warp(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let size = params.h * params.w;
    let tiles = (size + 63u) / 64u;
    let tile = group.y * groups.x + group.x;
    let image = tile / tiles;
    let pixel = (tile - image * tiles) * 64u + local;
    if image < params.n && pixel < size {
        let row = f32(pixel / params.w);
        let column = f32(pixel % params.w);
        let to_row = quad(rows[image * 4u]);
        let to_column = quad(rows[image * 4u + 1u]);
        let r = taps(to_row.x * row + to_row.y * column + to_row.z, params.h);
        let c = taps(to_column.x * row + to_column.y * column + to_column.z, params.w);
        let first = image * size;
        let above = first + r.low * params.w;
        let below = first + r.high * params.w;
        for (var k = 0u; k < params.c; k++) {
            let top = mix(x[(above + c.low) * params.c + k], x[(above + c.high) * params.c + k], c.fraction);
            let bottom = mix(x[(below + c.low) * params.c + k], x[(below + c.high) * params.c + k], c.fraction);
            let outside = params.cval * params.scale[k] + params.offset[k];
            y[(first + pixel) * params.c + k] = select(outside, mix(top, bottom, r.fraction), r.inside && c.inside);
        }
    }
}

var<workgroup> sums: array<f32, 256>;

// A channel of an image.
struct Plane {
    first: u32,             // its first element
    scale: f32,
    offset: f32,
}

// A pixel value, 0 to 255 before any change.
fn pixel_at(plane: Plane, row: i32, column: i32) -> f32 {
    let r = u32(clamp(row, 0, i32(params.h) - 1));
    let c = u32(clamp(column, 0, i32(params.w) - 1));
    return (x[plane.first + (r * params.w + c) * params.c] - plane.offset) / plane.scale;
}

// Seen through a Gaussian lens of 5 x 5 pixels: the weights of the distances 0, 1 and 2, which add up to 1 along an axis.
fn blurred(plane: Plane, row: i32, column: i32, weight: vec3<f32>) -> f32 {
    var sum = 0.0;
    for (var d = -2; d <= 2; d++) {
        let centre = pixel_at(plane, row + d, column);
        let near = pixel_at(plane, row + d, column - 1) + pixel_at(plane, row + d, column + 1);
        let far = pixel_at(plane, row + d, column - 2) + pixel_at(plane, row + d, column + 2);
        sum += weight[abs(d)] * dot(weight, vec3(centre, near, far));
    }
    return sum;
}

// Four standard normal numbers (Box and Muller) from 128 random bits.
fn normals(words: vec4<u32>) -> vec4<f32> {
    let u = vec4<f32>(words >> vec4(8u)) * (1.0 / 16777216.0);
    let radius = sqrt(-2.0 * log(1.0 - u.xz));
    // From minus pi on, where sines are at their most accurate.
    let angle = 6.2831853 * (u.yw - 0.5);
    return vec4(radius * cos(angle), radius * sin(angle)).xzyw;
}

@compute @workgroup_size(256)
fn pixels(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
          @builtin(local_invocation_index) local: u32) {
    let number = group.y * groups.x + group.x;
    let image = min(number / params.c, params.n - 1u);
    let channel = number % params.c;
    // A workgroup behind the last plane has no pixels; it must reach the barriers all the same.
    let size = select(0u, params.h * params.w, number < params.n * params.c);
    let plane = Plane(image * params.h * params.w * params.c + channel, params.scale[channel], params.offset[channel]);
    let look = quad(rows[image * 4u + 2u]);   // brightness, contrast, deviations of noise and blur
    let erased = quad(rows[image * 4u + 3u]); // first row, first column, and those behind the last
    let falling = exp(vec2(-0.5, -2.0) / (look.w * look.w));
    let weight = vec3(1.0, falling) / (1.0 + 2.0 * (falling.x + falling.y));

    var sum = 0.0;
    for (var quad = local; quad * 4u < size; quad += 256u) {
        for (var p = quad * 4u; p < min(quad * 4u + 4u, size); p++) {
            let row = i32(p / params.w);
            let column = i32(p % params.w);
            var v: f32;
            if look.w > 0.0 {
                v = blurred(plane, row, column, weight);
            } else {
                v = pixel_at(plane, row, column);
            }
            v = clamp(v * look.x, 0.0, 255.0);
            y[plane.first + p * params.c] = v;
            sum += v;
        }
    }
    sums[local] = sum;
    workgroupBarrier();
    for (var width = 128u; width > 0u; width /= 2u) {
        if local < width {
            sums[local] += sums[local + width];
        }
        workgroupBarrier();
    }
    let mean = sums[0] / f32(max(size, 1u));

    // Each invocation goes on with the pixels that it has written itself.
    let key = bitcast<vec2<u32>>(vec2(quad(rows[image * 4u]).w, quad(rows[image * 4u + 1u]).w));
    for (var quad = local; quad * 4u < size; quad += 256u) {
        var noise = vec4(0.0);
        if look.z > 0.0 {
            noise = look.z * normals(philox4x32(vec4(quad, channel, 0u, 0u), key));
        }
        for (var p = quad * 4u; p < min(quad * 4u + 4u, size); p++) {
            var v = clamp(mean + look.y * (y[plane.first + p * params.c] - mean), 0.0, 255.0);
            v = clamp(v + noise[p - quad * 4u], 0.0, 255.0);
            let at = vec2(f32(p / params.w), f32(p % params.w));
            let gone = all(at >= erased.xy) && all(at < erased.zw);
            y[plane.first + p * params.c] = select(v, 0.0, gone) * plane.scale + plane.offset;
        }
    }
}
