// Which of the places that a subgroup's lanes take among them a lane has. Here, of eight: the first half's and the second's by turns.
//
// Eight vec4s are two cache lines. Where there is AVX-512, LLVM loads lanes from the third on with a mask, and for what such a load is
// the first to meet CPUs fetch nothing ahead: so the second lane goes to the second line. (Measured on a Zen 5, Mesa 25.0: sums of a batch
// norm 4 times as fast. On Mesa 22.3, whose loads are loops, a tenth slower.)
fn place_of(lane: u32) -> u32 { return (lane & 0xfffffff8u) | (lane & 1u) << 2u | (lane >> 1u & 3u); }
