//! The prompts that are there without any file: made from sine waves.

use super::CLOCK_HZ;

/// A note: frequency, Hz (0 is a rest), and length, ms.
type Note = (f32, u32);

const CHIME: [Note; 2] = [(660.0, 400), (880.0, 600)];
const BEEP: [Note; 2] = [(440.0, 200), (0.0, 50)];
const MELODY: [Note; 16] = [
    (392.0, 400),
    (440.0, 400),
    (494.0, 400),
    (587.0, 800),
    (494.0, 400),
    (440.0, 400),
    (392.0, 800),
    (0.0, 400),
    (330.0, 400),
    (392.0, 400),
    (440.0, 400),
    (494.0, 800),
    (440.0, 400),
    (392.0, 400),
    (294.0, 800),
    (0.0, 1_200),
];

/// Samples of a built-in prompt by name: `welcome`, `music`, `beep`.
#[must_use]
pub fn built_in(name: &str) -> Option<Vec<i16>> {
    match name {
        "welcome" => Some(render(&CHIME)),
        "music" => Some(render(&MELODY)),
        "beep" => Some(render(&BEEP)),
        _ => None,
    }
}

fn render(notes: &[Note]) -> Vec<i16> {
    let mut samples = Vec::new();
    for (frequency, length_ms) in notes {
        let count = length_ms * CLOCK_HZ / 1_000;
        for n in 0..count {
            let phase = std::f32::consts::TAU * frequency * n as f32 / CLOCK_HZ as f32;
            samples.push((phase.sin() * 6_000.0 * envelope(n, count)) as i16);
        }
    }
    samples
}

/// Soft edges of 10 ms: a tone that starts at full level clicks.
fn envelope(n: u32, count: u32) -> f32 {
    let edge = CLOCK_HZ / 100;
    let from_edge = n.min(count.saturating_sub(n + 1));
    if from_edge >= edge { 1.0 } else { from_edge as f32 / edge as f32 }
}
