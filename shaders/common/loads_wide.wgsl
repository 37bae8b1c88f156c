// How vectors of storage are loaded and stored: two or four words at a time. Here: as one or two 64-bit words, for drivers that load
// and store word by word and lane by lane (Mesa's llvmpipe), which makes half as many.
//
// Eight lanes of such words are a 512-bit register where there are any (AVX-512), and what LLVM once takes from one it keeps there: sums,
// and all that it fetches and puts back, beside which a core adds and multiplies half as fast. An addition to quads that come in and
// go out ends that (measured on Mesa 25.0: matrix products twice as fast; transforms, which take pairs, gained nothing). What is added
// is -0, which changes no number, and which compilers would remove if they knew it: `begin` takes it from a size below 2^31, of which
// only the run knows the highest bit. Kernels that do not call it add a 0 that is known, and removed.
var<private> nothing: f32;
fn begin(size: u32) { nothing = bitcast<f32>(~size & 0x80000000u); }
alias Pair = u64;
alias Quad = vec2<u64>;
alias QuadU = vec2<u64>;
alias Eight = vec4<u64>;
fn pair(p: Pair) -> vec2<f32> { return bitcast<vec2<f32>>(vec2(u32(p), u32(p >> 32u))); }
fn quad_u(q: QuadU) -> vec4<u32> { return vec4(u32(q.x), u32(q.x >> 32u), u32(q.y), u32(q.y >> 32u)); }
fn quad(q: Quad) -> vec4<f32> { return bitcast<vec4<f32>>(quad_u(q)) + nothing; }
fn pair_of(v: vec2<f32>) -> Pair { let u = bitcast<vec2<u32>>(v); return u64(u.x) | (u64(u.y) << 32u); }
fn quad_of_u(u: vec4<u32>) -> QuadU { return vec2(u64(u.x) | (u64(u.y) << 32u), u64(u.z) | (u64(u.w) << 32u)); }
fn quad_of(v: vec4<f32>) -> Quad { return quad_of_u(bitcast<vec4<u32>>(v + nothing)); }
fn first_of(e: Eight) -> vec4<f32> { return quad(e.xy); }
fn second_of(e: Eight) -> vec4<f32> { return quad(e.zw); }
fn eight_of(first: vec4<f32>, second: vec4<f32>) -> Eight { return vec4(quad_of(first), quad_of(second)); }
