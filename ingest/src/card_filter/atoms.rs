//! A text as digits and what stands between them.

use std::ops::Range;

use zeroize::Zeroize as _;

/// What stands for a digit: the digit of some script, or its name.
pub(super) struct Atom {
    pub(super) value: u8,
    /// Bytes of the text.
    at: Range<usize>,
    /// Whether it is spelled out.
    word: bool,
    /// Whether it is to be masked.
    pub(super) marked: bool,
}

impl Drop for Atom {
    fn drop(&mut self) {
        self.value.zeroize();
    }
}

/// How far apart two neighbouring digits are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    /// They touch.
    None,
    /// One separator: the usual way to write a number in groups.
    One(char),
    /// Two or three separators, or different ones.
    Loose,
    /// Anything else: another number begins.
    Apart,
}

/// A text taken apart.
pub(super) struct Text<'a> {
    text: &'a str,
    pub(super) atoms: Vec<Atom>,
    /// Before each atom; the first is [`Gap::Apart`].
    pub(super) gaps: Vec<Gap>,
}

/// Longest separator between two groups of one number, characters.
const SEPARATORS_MAX: usize = 3;

/// Code points of the zeros of decimal digits beyond ASCII; nine more follow each.
const ZEROS: [u32; 21] = [
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66,
    0x0E50, 0x0ED0, 0x0F20, 0xFF10, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6,
];

/// Names of digits, in lower case.
const NAMES: [&[&str]; 10] = [
    &["zero", "null", "zéro", "cero", "oh"],
    &["one", "eins", "un", "uno"],
    &["two", "zwei", "zwo", "deux", "dos"],
    &["three", "drei", "trois", "tres"],
    &["four", "vier", "quatre", "cuatro"],
    &["five", "fünf", "fuenf", "cinq", "cinco"],
    &["six", "sechs", "seis"],
    &["seven", "sieben", "sept", "siete"],
    &["eight", "acht", "huit", "ocho"],
    &["nine", "neun", "neuf", "nueve"],
];

fn digit(letter: char) -> Option<u8> {
    if let Some(value) = letter.to_digit(10) {
        return u8::try_from(value).ok();
    }
    let code = u32::from(letter);
    ZEROS
        .iter()
        .find_map(|zero| code.checked_sub(*zero).filter(|value| *value < 10))
        .and_then(|value| u8::try_from(value).ok())
}

fn named(word: &str) -> Option<u8> {
    let word = word.to_lowercase();
    let value = NAMES.iter().position(|names| names.contains(&word.as_str()))?;
    u8::try_from(value).ok()
}

fn separates(letter: char) -> bool {
    letter.is_whitespace()
        || "-.,/_·*|:;+()[]'\"~=#\\".contains(letter)
        // Dashes, bullets, and marks of no width.
        || matches!(u32::from(letter),
            0x00AD | 0x2010..=0x2015 | 0x2022 | 0x2043 | 0x2212 | 0x200B..=0x200F | 0x2060 | 0xFEFF
            | 0xFF0D | 0xFF0E | 0x30FB)
}

impl<'a> Text<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let mut this = Self { text, atoms: Vec::new(), gaps: Vec::new() };
        let mut word: Option<usize> = None;
        for (at, letter) in text.char_indices() {
            if let Some(value) = digit(letter) {
                this.end_word(word.take(), at);
                this.push(value, at..at + letter.len_utf8(), false);
            } else if letter.is_alphabetic() {
                word = word.or(Some(at));
            } else {
                this.end_word(word.take(), at);
            }
        }
        this.end_word(word, text.len());
        this
    }

    fn end_word(&mut self, start: Option<usize>, end: usize) {
        let Some(start) = start else { return };
        if let Some(value) = self.text.get(start..end).and_then(named) {
            self.push(value, start..end, true);
        }
    }

    fn push(&mut self, value: u8, at: Range<usize>, word: bool) {
        let gap = match self.atoms.last() {
            // A word that touches a digit does not belong to its group.
            Some(last) if last.at.end == at.start && (last.word || word) => Gap::Loose,
            Some(last) => gap(self.text.get(last.at.end..at.start).unwrap_or("?")),
            None => Gap::Apart,
        };
        self.gaps.push(gap);
        self.atoms.push(Atom { value, at, word, marked: false });
    }

    /// Stretches of atoms between two [`Gap::Apart`].
    pub(super) fn runs(&self) -> Vec<Range<usize>> {
        self.split(|gap| gap == Gap::Apart)
    }

    /// Atoms of a stretch that touch each other.
    pub(super) fn groups(&self, run: Range<usize>) -> Vec<Range<usize>> {
        let (from, to) = (run.start, run.end);
        let all = self.split(|gap| gap != Gap::None);
        all.into_iter().filter(|group| from <= group.start && group.end <= to).collect()
    }

    fn split(&self, starts: impl Fn(Gap) -> bool) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = Vec::new();
        for (index, gap) in self.gaps.iter().enumerate() {
            match found.last_mut() {
                Some(last) if !starts(*gap) => last.end = index + 1,
                _ => found.push(index..index + 1),
            }
        }
        found
    }

    /// The text with a `*` in place of each marked atom.
    pub(super) fn masked(&self) -> String {
        let mut out = String::with_capacity(self.text.len());
        let mut done = 0;
        for atom in self.atoms.iter().filter(|atom| atom.marked) {
            out.push_str(self.text.get(done..atom.at.start).unwrap_or_default());
            out.push('*');
            done = atom.at.end;
        }
        out.push_str(self.text.get(done..).unwrap_or_default());
        out
    }
}

fn gap(between: &str) -> Gap {
    let mut letters = between.chars();
    match (letters.next(), letters.next()) {
        (None, _) => Gap::None,
        (Some(only), None) if separates(only) => Gap::One(only),
        _ if between.chars().count() <= SEPARATORS_MAX && between.chars().all(separates) => {
            Gap::Loose
        }
        _ => Gap::Apart,
    }
}
