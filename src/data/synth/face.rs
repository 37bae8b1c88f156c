//! Who is drawn and what the face does: action units (Ekman and Friesen's Facial Action Coding System), identity.

use crate::philox::Philox;

/// The drawn emotions; an image's label is its place here (the order of FER2013 too).
pub const EMOTIONS: [&str; 7] = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"];

/// How strongly each facial muscle group pulls, 0 to 1, by its number in the Facial Action Coding System.
#[derive(Debug, Clone, Copy)]
pub(super) struct ActionUnits {
    strength: [f32; 44],
}

impl ActionUnits {
    /// The strength of action unit `number` (0 for one that no drawn emotion uses).
    pub(super) fn get(&self, number: usize) -> f32 {
        self.strength.get(number).copied().unwrap_or(0.0)
    }

    /// A random face of the emotion `EMOTIONS[emotion]`: its units at 0.5 to 1, and a trace of unrelated movement.
    pub(super) fn sample(emotion: usize, rng: &mut Philox) -> Self {
        let mut face = Self { strength: [0.0; 44] };
        // People are never quite still: a neutral face is not the zero of every unit.
        for unit in [1, 2, 4, 7, 12, 15, 17, 25] {
            face.strength[unit] = rng.uniform(0.0, 0.1);
        }
        let shared = rng.uniform(0.65, 1.0);
        let (always, sometimes) = units_of(emotion, rng);
        for &unit in always {
            face.pull(unit, shared, rng);
        }
        for &(unit, odds) in sometimes {
            if rng.chance(odds) {
                face.pull(unit, shared, rng);
            }
        }
        face
    }

    /// Sets one unit near the strength of the whole expression.
    fn pull(&mut self, unit: usize, shared: f32, rng: &mut Philox) {
        self.strength[unit] = (shared + rng.uniform(-0.15, 0.15)).clamp(0.5, 1.0);
    }
}

/// Units that an emotion always shows, and those that it shows with some odds.
type Recipe = (&'static [usize], &'static [(usize, f32)]);

/// The units of an emotion: the prototypes of the FACS investigator's guide; where it knows several, one by chance.
fn units_of(emotion: usize, rng: &mut Philox) -> Recipe {
    match EMOTIONS[emotion] {
        "angry" if rng.chance(0.5) => (&[4, 5, 7, 23], &[]),
        "angry" => (&[4, 5, 7, 24], &[(17, 0.4)]),
        "disgust" if rng.chance(0.6) => (&[9, 10, 15, 16], &[(25, 0.5)]),
        "disgust" => (&[9, 10, 17, 4], &[]),
        "fear" => (&[1, 2, 4, 5, 20, 25], &[(7, 0.3), (26, 0.5)]),
        "happy" => (&[6, 12], &[(25, 0.65), (26, 0.15)]),
        "sad" => (&[1, 4, 15], &[(17, 0.5), (43, 0.5)]),
        "surprise" => (&[1, 2, 5, 25, 26], &[]),
        _ => (&[], &[]),
    }
}

/// How the hair is worn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hair {
    /// None.
    Bald,
    /// Above the ears.
    Short,
    /// Short, with a fringe over the forehead.
    Fringe,
    /// Down beside the cheeks.
    Long,
    /// A wide round of curls.
    Curly,
}

/// What a person looks like at rest. Lengths are in face units: half the head's height is 1. Tones are 0 to 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity {
    /// Half the head's width.
    pub width: f32,
    /// 0 a pointed chin, 1 a square jaw.
    pub jaw: f32,
    /// Length of the chin below the mouth, about 1.
    pub chin: f32,
    /// Tone of the skin.
    pub skin: f32,
    /// Tone of hair and brows.
    pub hair_tone: f32,
    /// How it is worn.
    pub hair: Hair,
    /// How far down the forehead it grows, 0 to 1.
    pub hairline: f32,
    /// From the middle of the face to the middle of an eye.
    pub eye_distance: f32,
    /// Half an eye's width.
    pub eye_width: f32,
    /// How far an eye is open at rest, times the usual.
    pub eye_height: f32,
    /// Outer corner above (negative) or below the inner one.
    pub eye_tilt: f32,
    /// Tone of the iris.
    pub iris: f32,
    /// Thickness of a brow.
    pub brow: f32,
    /// Brow's height above the usual.
    pub brow_rise: f32,
    /// Arch of the brow.
    pub brow_arch: f32,
    /// Half the width of the nose at its wings.
    pub nose_width: f32,
    /// Where the nose ends below the usual.
    pub nose_length: f32,
    /// Half the width of the mouth.
    pub mouth_width: f32,
    /// Mouth's height below the usual.
    pub mouth_drop: f32,
    /// Fullness of the lips, about 1.
    pub lips: f32,
    /// Lips' tone over the skin's.
    pub lip_tone: f32,
    /// Depth of lines, 0 young to 1 old.
    pub age: f32,
    /// Darkness of a beard, 0 for none.
    pub beard: f32,
    /// Darkness of a moustache, 0 for none.
    pub moustache: f32,
    /// Darkness of a pair of glasses' frame, if worn.
    pub glasses: Option<f32>,
    /// Whether the frame is round.
    pub round_glasses: bool,
    /// Tone of the clothes.
    pub cloth: f32,
}

impl Identity {
    /// A random person.
    pub(super) fn sample(rng: &mut Philox) -> Self {
        let skin = rng.uniform(0.42, 0.88);
        let hair =
            [Hair::Bald, Hair::Short, Hair::Short, Hair::Fringe, Hair::Long, Hair::Long, Hair::Curly][rng.below(7)];
        let bearded = rng.chance(0.16);
        let glasses = rng.chance(0.16).then(|| rng.uniform(0.5, 0.95));
        // Light hair on dark skin is rare; the brow must stay visible on the skin as it does on people.
        let lightest = 0.16 + 0.5 * skin * rng.next_f32();
        Self {
            width: rng.uniform(0.68, 0.80),
            jaw: rng.next_f32(),
            chin: rng.uniform(0.95, 1.06),
            skin,
            hair_tone: rng.uniform(0.03, lightest),
            hair,
            hairline: rng.next_f32(),
            eye_distance: rng.uniform(0.29, 0.345),
            eye_width: rng.uniform(0.145, 0.18),
            eye_height: rng.uniform(0.85, 1.15),
            eye_tilt: rng.uniform(-0.03, 0.02),
            iris: rng.uniform(0.08, 0.4),
            brow: rng.uniform(0.045, 0.075),
            brow_rise: rng.uniform(-0.025, 0.025),
            brow_arch: rng.uniform(0.02, 0.07),
            nose_width: rng.uniform(0.11, 0.165),
            nose_length: rng.uniform(-0.03, 0.04),
            mouth_width: rng.uniform(0.23, 0.29),
            mouth_drop: rng.uniform(-0.025, 0.025),
            lips: rng.uniform(0.75, 1.3),
            lip_tone: rng.uniform(0.62, 0.82),
            age: rng.next_f32(),
            beard: if bearded { rng.uniform(0.3, 0.8) } else { 0.0 },
            moustache: if bearded || rng.chance(0.06) { rng.uniform(0.3, 0.8) } else { 0.0 },
            glasses,
            round_glasses: rng.chance(0.5),
            cloth: rng.uniform(0.08, 0.85),
        }
    }
}
