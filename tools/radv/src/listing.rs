//! Multiply-adds in a listing of machine code, weighted as RADV's compiler weights its estimate of cycles.

use std::collections::HashMap;

/// Multiply-add instructions of a line: fused, multiplied and accumulated, or two in one.
fn multiply_adds(line: &str) -> usize {
    let single = ["v_fma_f32", "v_fmac_f32", "v_mac_f32", "v_mad_f32", "v_fmamk_f32", "v_fmaak_f32"];
    let dual = ["v_dual_fmac_f32", "v_dual_fmamk_f32", "v_dual_fmaak_f32"];
    single.iter().chain(&dual).map(|name| line.matches(name).count()).sum::<usize>()
        + line.matches("v_pk_fma_f32").count() * 2
}

/// The multiply-adds that a wave is taken to run: the compiler's estimate assumes 8 trips of an outermost loop, 4 of a loop in
/// it and 2 of each deeper one (Mesa, aco_statistics.cpp). A loop is what lies between a label and the last branch back to it.
pub fn weighted_multiply_adds(listing: &str) -> u64 {
    let lines: Vec<&str> = listing.lines().collect();
    let labels: HashMap<&str, usize> =
        lines.iter().enumerate().filter_map(|(i, line)| Some((line.strip_suffix(':')?, i))).collect();
    let mut ends: HashMap<usize, usize> = HashMap::new();
    for (i, line) in lines.iter().enumerate().filter(|(_, line)| line.contains("branch")) {
        let target = line.split_whitespace().nth(1).and_then(|name| labels.get(name));
        if let Some(start) = target.filter(|start| **start <= i) {
            ends.insert(*start, i);
        }
    }
    let weight = |i: usize| {
        let depth = ends.iter().filter(|(start, end)| (**start..**end).contains(&i)).count() as u32;
        [1, 8, 32].get(depth as usize).copied().unwrap_or_else(|| 32 << (depth - 2))
    };
    lines.iter().enumerate().map(|(i, line)| multiply_adds(line) as u64 * weight(i)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_weigh() {
        let listing = "BB0:\n\tv_fma_f32 v0\nBB1:\n\tv_fmac_f32_e32 v0\n\ts_cbranch_scc1 BB9\nBB2:\n\tv_pk_fma_f32 v0\nBB3:\n\
            \tv_mac_f32 v1\n\ts_branch BB3\n\ts_branch BB2\n\ts_branch BB1\nBB9:\n\tv_dual_fmac_f32 v1 :: v_dual_fmac_f32 v2";
        assert_eq!(weighted_multiply_adds(listing), 1 + 8 + 2 * 32 + 64 + 2);
        assert_eq!(weighted_multiply_adds(""), 0);
    }
}
