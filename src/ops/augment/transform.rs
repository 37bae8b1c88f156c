//! The affine map of an image from the numbers that people give.

use super::Row;

/// What is done to an image's pixels' places: the arguments of Keras's `apply_affine_transform`, and a flip after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transform {
    /// Rotation, in degrees.
    pub theta: f64,
    /// Shift along the width, in pixels.
    pub tx: f64,
    /// Shift along the height, in pixels.
    pub ty: f64,
    /// Shear angle, in degrees.
    pub shear: f64,
    /// Zoom along the width; under 1 enlarges.
    pub zx: f64,
    /// Zoom along the height.
    pub zy: f64,
    /// Whether left and right change places.
    pub flip: bool,
}

impl Default for Transform {
    /// Nothing is moved.
    fn default() -> Self {
        Self { theta: 0.0, tx: 0.0, ty: 0.0, shear: 0.0, zx: 1.0, zy: 1.0, flip: false }
    }
}

impl Transform {
    /// A row that does this, and nothing else, to images of `h` rows and `w` columns: where each pixel of the result comes from is
    /// rotation x shift x shear x zoom, about the image's centre. Keras takes the centre's row for its column and the other way
    /// round, which only square images do not show; here the centre is the centre.
    pub fn row(&self, h: usize, w: usize) -> Row {
        let (sin, cos) = self.theta.to_radians().sin_cos();
        let (slant, stretch) = self.shear.to_radians().sin_cos();
        let [xx, yx] = [cos * self.zx, sin * self.zx];
        let [xy, yy] = [(-cos * slant - sin * stretch) * self.zy, (-sin * slant + cos * stretch) * self.zy];
        let [x0, y0] = [w, h].map(|side| side as f64 / 2.0 - 0.5);
        let x = x0 + cos * self.tx - sin * self.ty - xx * x0 - xy * y0;
        let y = y0 + sin * self.tx + cos * self.ty - yx * x0 - yy * y0;
        // Column c of the flipped image is column w - 1 - c.
        let last = w.saturating_sub(1) as f64;
        let (sign, shift) = if self.flip { (-1.0, last) } else { (1.0, 0.0) };
        let of = |row: f64, column: f64, add: f64| [row, sign * column, add + shift * column].map(|v| v as f32);
        Row { rows: of(yy, yx, y), columns: of(xy, xx, x), ..Row::IDENTITY }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where row and column of the result come from.
    fn place(transform: Transform, [h, w]: [usize; 2], [r, c]: [f32; 2]) -> [f32; 2] {
        let row = transform.row(h, w);
        [row.rows, row.columns].map(|m| m[0] * r + m[1] * c + m[2])
    }

    fn near(a: [f32; 2], b: [f32; 2]) -> bool {
        a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5)
    }

    #[test]
    fn nothing_is_the_identity() {
        assert_eq!(Transform::default().row(5, 8), Row::IDENTITY);
    }

    #[test]
    fn the_centre_stays_and_shifts_go_along_their_axes() {
        let turned = Transform { theta: 33.0, shear: 20.0, zx: 0.7, zy: 1.2, ..Transform::default() };
        assert!(near(place(turned, [5, 9], [2.0, 4.0]), [2.0, 4.0]));
        let shifted = Transform { tx: 3.0, ty: -1.0, ..Transform::default() };
        assert!(near(place(shifted, [5, 9], [0.0, 0.0]), [-1.0, 3.0]));
        let quarter = Transform { theta: 90.0, ..Transform::default() };
        assert!(near(place(quarter, [5, 5], [0.0, 2.0]), [2.0, 4.0]));
    }

    #[test]
    fn a_flip_comes_last() {
        let flip = |t: Transform| Transform { flip: true, ..t };
        assert!(near(place(flip(Transform::default()), [4, 6], [1.0, 0.0]), [1.0, 5.0]));
        let moved = Transform { theta: 12.0, tx: 2.0, zx: 0.8, ..Transform::default() };
        assert!(near(place(flip(moved), [4, 6], [1.0, 0.0]), place(moved, [4, 6], [1.0, 5.0])));
    }
}
