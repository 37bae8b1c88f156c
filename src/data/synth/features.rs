//! Eyes, brows, nose, mouth and lines of a face, moved by its action units. All places are in face units, the face's
//! own: x to the right, y down, the eyes near y = -0.12, the mouth near y = 0.5.

use super::draw::{Canvas, Point, closed_curve};
use super::paint::Sitter;

/// Height of the eyes.
const EYE_Y: f32 = -0.12;

/// Draws all of them.
pub(super) fn draw(canvas: &mut Canvas, sitter: &Sitter) {
    cheeks(canvas, sitter);
    nose(canvas, sitter);
    for side in [-1.0, 1.0] {
        eye(canvas, sitter, side);
        brow(canvas, sitter, side);
    }
    forehead(canvas, sitter);
    mouth(canvas, sitter);
}

/// A canvas of 1 where an eye, a brow or the mouth is drawn, 0 elsewhere.
pub(super) fn drawn(size: usize, sitter: &Sitter) -> Canvas {
    let skin = sitter.id.skin;
    let mut canvas = Canvas::new(size, skin);
    for side in [-1.0, 1.0] {
        eye(&mut canvas, sitter, side);
        brow(&mut canvas, sitter, side);
    }
    mouth(&mut canvas, sitter);
    // The last grey of a soft fold is no feature.
    canvas.tones.iter_mut().for_each(|tone| *tone = if (*tone - skin).abs() > 0.05 { 1.0 } else { 0.0 });
    canvas
}

/// Soft relief: sockets, cheekbones, the fold from nose to mouth (units 9, 10, 12), crow's feet (6).
fn cheeks(canvas: &mut Canvas, sitter: &Sitter) {
    let id = &sitter.id;
    let lips = Mouth::of(sitter);
    let fold = 0.06 + 0.10 * id.age + 0.24 * sitter.pull(12).max(sitter.pull(9)).max(0.8 * sitter.pull(10));
    for side in [-1.0, 1.0] {
        let x = side * id.eye_distance;
        canvas.shade(
            &sitter.map(&[[x - side * 0.1, EYE_Y - 0.09], [x + side * 0.1, EYE_Y - 0.1]]),
            sitter.px(0.09),
            -0.16,
        );
        let raise = 0.06 * sitter.pull(6);
        canvas.shade(&sitter.map(&[[x + side * 0.08, 0.18 - raise]]), sitter.px(0.13), 0.08 + 0.08 * sitter.pull(6));
        // Raised cheeks bag the lower lid and fan lines from the outer corner.
        let bag = sitter.line(&[[x - side * 0.13, 0.01], [x, 0.045 - raise * 0.3], [x + side * 0.15, 0.0]]);
        canvas.shade(&bag, sitter.px(0.025), -0.08 - 0.10 * id.age - 0.2 * sitter.pull(6));
        for dy in [-0.07, 0.0, 0.07] {
            let foot = sitter.map(&[[x + side * 0.21, EYE_Y + 0.5 * dy], [x + side * 0.33, EYE_Y + dy]]);
            canvas.shade(&foot, sitter.px(0.016), -(0.05 + 0.28 * sitter.pull(6)) * (0.4 + 0.6 * id.age));
        }
        let wing = [side * (id.nose_width + 0.05), 0.2 - 0.06 * sitter.pull(9)];
        let end = [side * (lips.half + 0.07), lips.corner_y - 0.01];
        let middle = [0.5 * (wing[0] + end[0]) + side * 0.03, 0.5 * (wing[1] + end[1]) - 0.02];
        canvas.shade(&sitter.line(&[wing, middle, end]), sitter.px(0.03), -fold);
    }
}

/// The nose: one shaded flank, wings, nostrils; unit 9 pulls it up and wrinkles the bridge, 10 lifts the wings.
fn nose(canvas: &mut Canvas, sitter: &Sitter) {
    let id = &sitter.id;
    let up = 0.06 * sitter.pull(9) + 0.02 * sitter.pull(10);
    let (y, w) = (0.24 + id.nose_length - up, id.nose_width * (1.0 + 0.12 * sitter.pull(9)));
    let lifted = |p: Point, lift: f32| sitter.pose.project(p[0], p[1], lift);
    let ridge = [lifted([0.0, -0.15], 0.05), lifted([0.0, y - 0.06], 0.16)];
    canvas.shade(&ridge, sitter.px(0.04), 0.14);
    for side in [-1.0, 1.0] {
        let flank = [
            lifted([side * 0.08, -0.2], 0.0),
            lifted([side * 0.085, 0.0], 0.04),
            lifted([side * w * 0.9, y - 0.06], 0.06),
        ];
        canvas.shade(&flank, sitter.px(0.035), -0.15);
        let wing = [
            lifted([side * w, y - 0.09], 0.06),
            lifted([side * w * 1.1, y - 0.01], 0.06),
            lifted([side * w * 0.75, y + 0.03], 0.08),
        ];
        canvas.shade(&wing, sitter.px(0.022), -0.38);
        let nostril = [lifted([side * w * 0.35, y + 0.025], 0.12), lifted([side * w * 0.75, y + 0.012], 0.1)];
        canvas.stroke(&nostril, &[sitter.px(0.04), sitter.px(0.05)], 0.3 * id.skin, 0.85);
        for row in 0..3 {
            let at = -0.16 + 0.07 * row as f32;
            let crease = sitter.map(&[[side * 0.015, at + 0.02], [side * 0.10, at - 0.02]]);
            canvas.shade(&crease, sitter.px(0.018), -0.42 * sitter.pull(9));
        }
    }
    let under = [lifted([-w * 0.5, y + 0.05], 0.08), lifted([w * 0.5, y + 0.05], 0.08)];
    canvas.shade(&under, sitter.px(0.03), -0.2);
}

/// One eye: its opening follows units 5 (wide), 6, 7, 9 and 43 (narrow).
fn eye(canvas: &mut Canvas, sitter: &Sitter, side: f32) {
    let id = &sitter.id;
    let (x, w) = (side * id.eye_distance, id.eye_width);
    let squeeze = 0.28 * sitter.pull(6) + 0.32 * sitter.pull(7) + 0.3 * sitter.pull(9);
    let upper = 0.085 * id.eye_height * (1.0 + 0.6 * sitter.pull(5) - 0.8 * squeeze - 0.4 * sitter.pull(43)).max(0.2);
    let lower = 0.055 * id.eye_height * (1.0 + 0.15 * sitter.pull(5) - 1.5 * squeeze).max(0.15);
    // Grief lifts the inner end of the lid with the brow.
    let sorrow = 0.03 * (sitter.pull(1) * sitter.pull(4) * (1.0 - sitter.pull(2)));
    let at = |along: f32, y: f32| [x + side * along * w, EYE_Y + y + id.eye_tilt * along];
    let lid = [
        at(-1.0, 0.015),
        at(-0.5, -0.85 * upper - sorrow),
        at(0.05, -upper),
        at(0.6, -0.68 * upper + sorrow),
        at(1.05, 0.01 + 0.5 * sorrow),
    ];
    let bottom = [at(0.5, 0.85 * lower + 0.01), at(0.0, lower), at(-0.55, 0.8 * lower)];
    let opening = closed_curve(&sitter.map(&[&lid[..], &bottom[..]].concat()), 4);
    let mask = canvas.cover(&opening);
    canvas.paint(&mask, 0.90, 1.0);
    let gaze = [x + 0.045 * sitter.gaze[0], EYE_Y - 0.012 + 0.02 * sitter.gaze[1]];
    for (radius, tone) in [(0.082, id.iris), (0.042, 0.03)] {
        let disc: Vec<Point> = (0..16)
            .map(|i| {
                let (sin, cos) = (i as f32 / 16.0 * std::f32::consts::TAU).sin_cos();
                sitter.pose.project(gaze[0] + radius * cos, gaze[1] + radius * sin, 0.0)
            })
            .collect();
        let disc = canvas.cover(&disc);
        canvas.paint_within(&disc, &mask, tone, 1.0);
    }
    let glint = sitter.pose.project(gaze[0] - 0.03, gaze[1] - 0.03, 0.0);
    canvas.shade(&[glint], sitter.px(0.018), 3.0);
    let lid_tone = 0.25 * id.skin;
    canvas.stroke(&sitter.line(&lid), &[sitter.px(0.032)], lid_tone, 0.9);
    let rim: Vec<Point> = [&lid[4..], &bottom[..], &lid[..1]].concat();
    canvas.stroke(&sitter.line(&rim), &[sitter.px(0.018)], 0.55 * id.skin, 0.7);
    let crease = [at(-0.8, -0.75 * upper - 0.035), at(0.05, -upper - 0.05), at(0.95, -0.5 * upper - 0.03)];
    canvas.shade(&sitter.line(&crease), sitter.px(0.02), -0.32 + 0.15 * sitter.pull(5));
}

/// One brow: unit 1 lifts its inner end, 2 its outer end, 4 lowers it and pulls it in, 9 lowers it too.
fn brow(canvas: &mut Canvas, sitter: &Sitter, side: f32) {
    let id = &sitter.id;
    let (raise_in, raise_out) = (sitter.pull(1), sitter.pull(2));
    // The muscles of 1 and 4 pull against each other at the inner end: together they slant it.
    let frown = sitter.pull(4) * (1.0 - 0.65 * raise_in);
    let scowl = 0.06 * sitter.pull(9);
    let y = EYE_Y - 0.235 - id.brow_rise;
    let inner = [0.14 - 0.04 * sitter.pull(4), y + 0.02 - 0.15 * raise_in + 0.13 * frown + scowl];
    let middle = [0.33, y - id.brow_arch - 0.06 * raise_in - 0.11 * raise_out + 0.09 * frown + scowl];
    let outer = [0.555, y + 0.04 - 0.10 * raise_out + 0.05 * raise_in * (1.0 - raise_out) + 0.02 * frown];
    let knee = [0.22, 0.5 * (inner[1] + middle[1]) - 0.01];
    let line = sitter.line(&[inner, knee, middle, outer].map(|p| [side * p[0] * id.eye_distance / 0.315, p[1]]));
    let widths: Vec<f32> =
        (0..line.len()).map(|i| sitter.px(id.brow) * (1.15 - 0.85 * i as f32 / line.len() as f32)).collect();
    let tone = id.hair_tone.min(0.55 * id.skin);
    canvas.stroke(&line, &widths, tone, 0.88);
}

/// Lines of the forehead: across it for raised brows, upright between the brows for lowered ones.
fn forehead(canvas: &mut Canvas, sitter: &Sitter) {
    let age = 0.35 + 0.65 * sitter.id.age;
    let (centre, wide) = (sitter.pull(1), sitter.pull(2));
    for (row, y) in [-0.60, -0.69].into_iter().enumerate() {
        let half = 0.18 + 0.2 * wide;
        let dip = 0.03 * (1.0 - wide);
        let wrinkle = sitter.line(&[[-half, y + dip], [0.0, y - dip], [half, y + dip]]);
        canvas.shade(&wrinkle, sitter.px(0.018), -0.28 * age * centre.max(wide) * (1.0 - 0.2 * row as f32));
    }
    for side in [-1.0, 1.0] {
        let furrow = sitter.map(&[[side * 0.045, -0.42], [side * 0.055, -0.25]]);
        canvas.shade(&furrow, sitter.px(0.02), -(0.03 + 0.45 * sitter.pull(4)) * age.max(0.6));
    }
}

/// Where the lips are.
struct Mouth {
    /// Half the width.
    half: f32,
    /// Height of the corners.
    corner_y: f32,
    /// Height of the upper lip's lower edge in the middle.
    middle_y: f32,
    /// How far the lips are apart in the middle.
    gap: f32,
    /// Height of the upper lip.
    upper: f32,
    /// Height of the lower lip.
    lower: f32,
}

impl Mouth {
    /// Units 10, 12, 15, 16, 17, 20, 23, 24, 25 and 26 on a person's mouth.
    fn of(sitter: &Sitter) -> Self {
        let (id, au) = (&sitter.id, |unit| sitter.pull(unit));
        let y = 0.51 + id.mouth_drop - 0.02 * au(17);
        let purse = 0.20 * au(26) * (1.0 - au(20)) * (1.0 - au(12));
        let half = id.mouth_width
            * (1.0 + 0.36 * au(12) + 0.32 * au(20) - 0.2 * au(23) - 0.06 * au(24) - purse - 0.08 * au(17));
        let gap = 0.075 * au(25) * (1.0 + 0.5 * au(12)) + 0.20 * au(26) + 0.05 * au(16);
        let thin = (1.0 - 0.45 * au(23)) * (1.0 - 0.7 * au(24)) * (1.0 - 0.2 * au(12)) * (1.0 - 0.25 * au(20));
        Self {
            half,
            corner_y: y - 0.105 * au(12) + 0.10 * au(15) + 0.07 * au(20) + 0.02 * au(10) + 0.09 * au(26),
            middle_y: y + 0.035 * au(12)
                - 0.05 * au(15)
                - 0.065 * au(10)
                - 0.03 * au(9)
                - 0.025 * au(17)
                - 0.01 * au(25),
            gap: if gap < 0.02 { 0.0 } else { gap },
            upper: 0.055 * id.lips * thin * (1.0 + 0.15 * au(10)),
            lower: 0.080 * id.lips * thin * (1.0 + 0.25 * au(16)) * (1.0 + 0.15 * au(17)),
        }
    }

    /// A point at `along` (-1 to 1) of the mouth, `offset` below the upper lip's edge there.
    fn at(&self, along: f32, offset: f32) -> Point {
        let bend = along * along;
        [self.half * along, self.middle_y + (self.corner_y - self.middle_y) * bend + offset]
    }
}

/// Lips, what is seen between them, the lines around the chin.
fn mouth(canvas: &mut Canvas, sitter: &Sitter) {
    let id = &sitter.id;
    let m = Mouth::of(sitter);
    moustache(canvas, sitter, &m);
    let corners = [m.at(-1.0, 0.0), m.at(1.0, 0.0)];
    let upper_edge = [m.at(-0.55, 0.0), m.at(0.0, 0.0), m.at(0.55, 0.0)];
    let lower_edge = [m.at(0.55, 0.75 * m.gap), m.at(0.0, m.gap), m.at(-0.55, 0.75 * m.gap)];
    let bow = [(-0.6, -0.7), (-0.2, -1.05), (0.0, -0.85), (0.2, -1.05), (0.6, -0.7)].map(|(x, t)| m.at(x, t * m.upper));
    let pout = [(0.6, 0.72), (0.0, 1.0), (-0.6, 0.72)].map(|(x, t)| {
        let open = if x == 0.0 { m.gap } else { 0.72 * m.gap };
        m.at(x, open + t * m.lower)
    });
    let tone = id.skin * id.lip_tone;
    let lips = [&corners[..1], &bow[..], &corners[1..], &pout[..]].concat();
    canvas.fill(&closed_curve(&sitter.map(&lips), 4), tone, 0.92);
    if m.gap > 0.0 {
        let hole = [&corners[..1], &upper_edge[..], &corners[1..], &lower_edge[..]].concat();
        let hole = canvas.cover(&closed_curve(&sitter.map(&hole), 4));
        canvas.paint(&hole, 0.06, 1.0);
        let bared = (0.2 + sitter.pull(12) + 0.7 * sitter.pull(20) + 0.8 * sitter.pull(10)).min(1.0);
        let depth = (0.75 * m.gap).min(0.085);
        let teeth =
            [m.at(-0.85, -0.02), m.at(0.85, -0.02), m.at(0.8, 0.6 * depth), m.at(0.0, depth), m.at(-0.8, 0.6 * depth)];
        let teeth = canvas.cover(&sitter.map(&teeth));
        canvas.paint_within(&teeth, &hole, 0.92, bared);
    } else {
        let line = sitter.line(&[&corners[..1], &upper_edge[..], &corners[1..]].concat());
        canvas.stroke(&line, &[sitter.px(0.028)], 0.35 * id.skin, 0.95);
    }
    for (side, corner) in [-1.0, 1.0].into_iter().zip(corners) {
        canvas.shade(&sitter.map(&[corner, [corner[0] + side * 0.03, corner[1]]]), sitter.px(0.03), -0.3);
        // A depressed corner draws a line down from it.
        let line = sitter.map(&[corner, [corner[0] + side * 0.03, corner[1] + 0.12]]);
        canvas.shade(&line, sitter.px(0.022), -0.3 * sitter.pull(15));
    }
    let under = m.at(0.0, m.gap + m.lower + 0.05)[1];
    canvas.shade(&sitter.line(&[[-0.12, under + 0.01], [0.0, under], [0.12, under + 0.01]]), sitter.px(0.035), -0.22);
    let boss = sitter.line(&[[-0.17, under + 0.13], [0.0, under + 0.05], [0.17, under + 0.13]]);
    canvas.shade(&boss, sitter.px(0.025), -0.3 * sitter.pull(17));
}

/// Hair on the upper lip.
fn moustache(canvas: &mut Canvas, sitter: &Sitter, m: &Mouth) {
    let id = &sitter.id;
    if id.moustache == 0.0 {
        return;
    }
    let above = -m.upper - 0.05;
    let line = sitter.line(&[
        m.at(-1.0, 0.4 * above),
        m.at(-0.5, above),
        m.at(0.0, above),
        m.at(0.5, above),
        m.at(1.0, 0.4 * above),
    ]);
    canvas.stroke(&line, &[sitter.px(0.075)], id.hair_tone.min(0.7 * id.skin), id.moustache);
}
