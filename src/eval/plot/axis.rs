//! A linear axis with round ticks.

/// The smallest step from tick to tick: what is nearer to each other is drawn as equal.
const MIN_STEP: f64 = 1e-12;

/// From data to pixels, with ticks at round numbers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    step: f64,
}

impl Axis {
    /// Covers the drawable `values`, ends on ticks, has about `ticks` of them. No values give 0 to 1.
    pub(super) fn over(values: impl Iterator<Item = f64>, ticks: f64) -> Self {
        let (mut low, mut high) = bounds(values).unwrap_or((0.0, 1.0));
        if high - low < 1e-9 * high.abs().max(1e-3) {
            let room = if low == 0.0 { 1.0 } else { (low.abs() * 0.1).max(MIN_STEP) };
            (low, high) = (low - room, high + room);
        }
        let step = nice((high - low) / ticks);
        Self { low: (low / step + 1e-9).floor() * step, high: (high / step - 1e-9).ceil() * step, step }
    }

    /// Covers whole numbers exactly from the first to the last, with ticks at whole numbers.
    pub(super) fn whole(values: impl Iterator<Item = f64>, ticks: f64) -> Self {
        let (mut low, mut high) = bounds(values).unwrap_or((0.0, 1.0));
        let step = nice((high - low) / ticks).max(1.0);
        if high - low < 1.0 {
            (low, high) = (low - 0.5, high + 0.5);
        }
        Self { low, high, step }
    }

    /// Keeps the axis within limits that its quantity cannot pass.
    pub(super) fn within(mut self, low: f64, high: f64) -> Self {
        if self.low < high && self.high > low {
            (self.low, self.high) = (self.low.max(low), self.high.min(high));
        }
        self
    }

    /// 0 at the low end, 1 at the high end.
    pub(super) fn share(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// Whether a value lies above the high end.
    pub(super) fn is_above(&self, value: f64) -> bool {
        value > self.high
    }

    /// The multiples of the step on the axis.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let first = (self.low / self.step - 1e-6).ceil();
        (0..100)
            .map(|i| (first + f64::from(i)) * self.step)
            .take_while(|t| *t <= self.high + 1e-6 * self.step)
            .collect()
    }

    /// A tick with as many decimals as the step has.
    pub(super) fn label(&self, tick: f64, scale: f64) -> String {
        let step = self.step * scale;
        if tick.abs() * scale >= 1e6 {
            return format!("{:.1e}", tick * scale);
        }
        let decimals = (-step.log10() - 1e-9).ceil().clamp(0.0, 9.0) as usize;
        // Adding zero turns -0 into 0.
        format!("{:.decimals$}", tick * scale + 0.0)
    }
}

/// What can be drawn: a loss of 10^12 has diverged, and its axis would hide every other point.
pub(super) fn drawable(value: f64) -> bool {
    value.abs() < 1e12
}

/// `values` without those over three times all before them: a single epoch's spike would press every other point to the axis.
pub(super) fn calm(values: impl Iterator<Item = f64>) -> impl Iterator<Item = f64> {
    let mut most: Option<f64> = None;
    values.filter(move |v| {
        let keep = drawable(*v) && most.is_none_or(|most| *v <= 3.0 * most.max(0.0));
        if keep {
            most = Some(most.map_or(*v, |most| most.max(*v)));
        }
        keep
    })
}

fn bounds(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|v| drawable(*v)).fold(None, |bounds, v| {
        let (low, high) = bounds.unwrap_or((v, v));
        Some((v.min(low), v.max(high)))
    })
}

/// The smallest of 1, 2, 5 times a power of ten that is not below `step`.
fn nice(step: f64) -> f64 {
    if step <= MIN_STEP {
        return MIN_STEP;
    }
    let power = 10f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|f| f * power >= step * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spikes_are_left_out() {
        let of = |values: &[f64]| calm(values.iter().copied()).collect::<Vec<_>>();
        assert_eq!(of(&[1.8, 1.4, 17.3, f64::NAN, 1.2, 5.0, 14.9, 99.0]), [1.8, 1.4, 1.2, 5.0, 14.9]);
        assert_eq!(of(&[17.3, 1.4]), [17.3, 1.4]);
    }

    fn labels(axis: &Axis) -> String {
        axis.ticks().iter().map(|t| axis.label(*t, 1.0)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ticks_are_round_and_cover_the_data() {
        for (values, expected) in [
            (vec![0.31, 1.87], "0.0 0.5 1.0 1.5 2.0"),
            (vec![0.5], "0.44 0.46 0.48 0.50 0.52 0.54 0.56"),
            (vec![0.0], "-1.0 -0.5 0.0 0.5 1.0"),
            (vec![], "0.0 0.2 0.4 0.6 0.8 1.0"),
            (vec![f64::NAN, f64::INFINITY, 3.0, 1e30, 9.0], "2 4 6 8 10"),
            (vec![-1e11, 1e11], "-1.0e11 -5.0e10 0 5.0e10 1.0e11"),
            (vec![1e-7, 9e-7], "0.0000000 0.0000002 0.0000004 0.0000006 0.0000008 0.0000010"),
        ] {
            let axis = Axis::over(values.iter().copied(), 5.0);
            assert_eq!(labels(&axis), expected, "{values:?}");
            let mut drawn = values.iter().filter(|v| drawable(**v));
            assert!(drawn.all(|v| (0.0..=1.0).contains(&axis.share(*v))), "{values:?} {axis:?}");
        }
    }

    #[test]
    fn whole_axes_tick_at_whole_numbers() {
        assert_eq!(labels(&Axis::whole([1.0, 4.0].into_iter(), 8.0)), "1 2 3 4");
        assert_eq!(labels(&Axis::whole([1.0, 100.0].into_iter(), 5.0)), "20 40 60 80 100");
        assert_eq!(labels(&Axis::whole([7.0].into_iter(), 8.0)), "7");
    }
}
