//! Which columns of a table of values are what: the path, the split, the numbers that are learned.

use std::path::Path;

use super::EXPECTED;
use crate::data::split_names::SplitName;
use crate::data::table::{Fault, Table, is_index};
use crate::error::{Result, nearest};

/// What a column that numbers the rows or the images may be called.
const NUMBERING: [&str; 5] = ["index", "id", "idx", "image_id", "img_id"];
/// What a column of class labels may be called.
const CLASSES: [&str; 6] = ["label", "labels", "class", "emotion", "expression", "category"];
/// What the sides of a face's box are called, in any case and without `_`; the second could be other numbers, too.
const BOX: [&str; 10] = ["width", "height", "xmin", "xmax", "ymin", "ymax", "x1", "x2", "y1", "y2"];
const MAYBE_BOX: [&str; 8] = ["x", "y", "w", "h", "left", "top", "right", "bottom"];
const OF_A_BOX: [&str; 5] = ["face", "bbox", "box", "rect", "roi"];
/// What odd columns look like.
const BOXES: &str = "a face's box";
const LABELS: &str = "classes";
/// Sides of a box that make one of names that could be other numbers.
const SIDES_OF_A_BOX: usize = 3;

/// Which columns are values.
#[derive(Clone, Copy)]
pub(super) enum Wanted<'a> {
    /// All but those that number the rows.
    All,
    /// All that are not of another kind, which is no error.
    Plausible,
    /// These, in their order.
    Chosen(&'a [String]),
}

/// Where the columns are.
pub(super) struct Columns {
    path: usize,
    split: Option<usize>,
    values: Vec<usize>,
    /// Whether the user said which columns are learned.
    chosen: bool,
    /// What the values are called.
    pub names: Vec<String>,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// What a row says.
pub(super) struct Row<'a> {
    pub split: SplitName,
    pub file: &'a str,
    pub values: Vec<f32>,
}

impl Columns {
    /// Finds the columns by name.
    ///
    /// # Errors
    /// No column `path`, none to learn, columns that are hardly meant to be learned.
    pub(super) fn find(file: &Path, table: &Table<'_>, wanted: Wanted<'_>) -> Result<Self> {
        let Some(path) = table.column(&["path"])? else {
            return Err(table.refuse_header("no column `path`", EXPECTED));
        };
        let split = table.column(&["split", "usage", "set", "subset"])?;
        let others: Vec<usize> = (0..table.header.len()).filter(|i| *i != path && Some(*i) != split).collect();
        let mut found = Self {
            path,
            split,
            values: Vec::new(),
            chosen: matches!(wanted, Wanted::Chosen(_)),
            names: Vec::new(),
            notes: Vec::new(),
        };
        match wanted {
            Wanted::Chosen(outputs) => found.choose(file, table, &others, outputs)?,
            Wanted::All => found.take_all(file, table, &others, true)?,
            Wanted::Plausible => found.take_all(file, table, &others, false)?,
        }
        let names = &found.names;
        if let Some((_, name)) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
            return Err(table.refuse_header(&format!("two columns `{name}`"), "one column of each name"));
        }
        Ok(found)
    }

    /// Takes the columns that were asked for, in this order and under these names.
    fn choose(&mut self, file: &Path, table: &Table<'_>, others: &[usize], outputs: &[String]) -> Result<()> {
        for output in outputs {
            let wanted = output.trim();
            let exact = others.iter().find(|i| table.header[**i] == wanted);
            let found = exact.or_else(|| others.iter().find(|i| table.header[**i].eq_ignore_ascii_case(wanted)));
            let Some(&column) = found.filter(|_| !wanted.is_empty()) else {
                let near = nearest(wanted, others.iter().map(|i| table.header[*i].as_str()));
                let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                return Err(table.refuse_header(&format!("no column `{wanted}` to learn"), format!("{EXPECTED}{near}")));
            };
            if numbers_rows(file, table, column)? {
                let what = format!("column `{wanted}` numbers the rows, which nothing can be learned from");
                return Err(table.refuse_header(&what, "other columns in --outputs"));
            }
            self.values.push(column);
            self.names.push(wanted.to_owned());
        }
        Ok(())
    }

    /// Takes every column but those that number the rows; those that are hardly meant are refused if `strict` or if there is no
    /// other, else they are left out, too.
    fn take_all(&mut self, file: &Path, table: &Table<'_>, others: &[usize], strict: bool) -> Result<()> {
        for &column in others {
            let name = table.name(column);
            if numbers_rows(file, table, column)? {
                let name = if name.is_empty() { "without a name".to_owned() } else { format!("`{name}`") };
                self.notes.push(format!("column {} ({name}) numbers the rows and is not learned", column + 1));
            } else {
                self.values.push(column);
                self.names.push(name.to_owned());
            }
        }
        let boxes = boxes(&self.names);
        let kind = |name: &String| match name.to_lowercase().as_str() {
            _ if boxes.contains(name) => Some(BOXES),
            word if CLASSES.contains(&word) => Some(LABELS),
            word if NUMBERING.contains(&word) => Some("numbers of images or persons"),
            _ => None,
        };
        if let Some(first) = self.names.iter().find_map(kind) {
            let odd: Vec<String> =
                self.names.iter().filter(|n| kind(n) == Some(first)).map(|n| format!("`{n}`")).collect();
            let rest: Vec<&str> = self.names.iter().filter(|n| kind(n).is_none()).map(String::as_str).collect();
            if !strict && !rest.is_empty() {
                let odd: Vec<&str> = self.names.iter().filter(|n| kind(n).is_some()).map(String::as_str).collect();
                self.notes.push(format!("columns that are not looked at: {}", odd.join(", ")));
                let all = std::mem::take(&mut self.names).into_iter().zip(std::mem::take(&mut self.values));
                (self.names, self.values) = all.filter(|(name, _)| kind(name).is_none()).unzip();
                return Ok(());
            }
            let mut expected = match rest[..] {
                [] => format!("columns of numbers to learn; --outputs {} if these are", self.names.join(",")),
                _ => format!("--outputs with the columns to learn, as in --outputs {}", rest.join(",")),
            };
            if first == LABELS {
                expected += "; images of classes come in class folders, or as pixels in a table like FER2013's";
            }
            let what = format!("{} would be learned and look like {first}", odd.join(", "));
            return Err(table.refuse_header(&what, expected));
        }
        if self.names.is_empty() {
            return Err(table.refuse_header("no column of numbers", EXPECTED));
        }
        Ok(())
    }

    /// The split, the path and the numbers of the current row, or what is wrong and what was expected.
    pub(super) fn judge<'a>(&self, table: &'a Table<'_>) -> Result<Row<'a>, Fault> {
        table.check_length()?;
        let file = table.text(self.path)?;
        if file.is_empty() {
            return Err(("no path".to_owned(), "the path of an image, relative to the csv".to_owned()));
        }
        let split = match self.split.map(|i| table.text(i)).transpose()? {
            None => SplitName::Train,
            Some(name) => SplitName::parse(name)
                .ok_or_else(|| (format!("split `{name}`"), "train, validation or test".to_owned()))?,
        };
        let number = |(i, name): (&usize, &String)| {
            let text = table.text(*i)?;
            let value = text.parse::<f32>().ok().filter(|v| v.is_finite());
            let hint = if self.chosen { "" } else { ", or --outputs with the columns to learn" };
            value.ok_or_else(|| (format!("{name} is `{text}`"), format!("a number{hint}")))
        };
        Ok(Row { split, file, values: self.values.iter().zip(&self.names).map(number).collect::<Result<_, Fault>>()? })
    }
}

/// Whether a column numbers the rows: by its name, or one called like an index whose whole numbers grow from row to row.
fn numbers_rows(file: &Path, table: &Table<'_>, column: usize) -> Result<bool> {
    let name = table.name(column);
    if is_index(name) || !NUMBERING.contains(&name.to_lowercase().as_str()) {
        return Ok(is_index(name));
    }
    let mut again = Table::open(file, EXPECTED)?;
    let mut last = None;
    while again.advance()? {
        let number = again.text(column).ok().and_then(|text| text.parse::<i64>().ok());
        if number.is_none() || number <= last {
            return Ok(false);
        }
        last = number;
    }
    Ok(last.is_some())
}

/// The names that are those of a box's sides.
fn boxes(names: &[String]) -> Vec<String> {
    let plain = |name: &str| -> (String, bool) {
        let name: String = name.to_lowercase().chars().filter(|c| !matches!(c, '_' | '-' | ' ' | '.')).collect();
        let of = OF_A_BOX.iter().find_map(|word| name.strip_prefix(word).or_else(|| name.strip_suffix(word)));
        (of.unwrap_or(&name).to_owned(), of.is_some())
    };
    let (mut sure, mut maybe) = (Vec::new(), Vec::new());
    for name in names {
        let (word, of_a_box) = plain(name);
        let may_be = MAYBE_BOX.contains(&word.as_str());
        if BOX.contains(&word.as_str()) || (of_a_box && (may_be || word.is_empty())) {
            sure.push(name.clone());
        } else if may_be {
            maybe.push(name.clone());
        }
    }
    if !sure.is_empty() || maybe.len() >= SIDES_OF_A_BOX {
        sure.extend(maybe);
    }
    sure
}
