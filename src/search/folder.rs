//! The folder of a search, and the locks by which processes share it.

use super::results::{self, Row};
use super::spec::Search;
use crate::error::{Error, Result};
use crate::formats::atomic::{remove_leftovers, write_text};
use crate::formats::lock::{self, try_lock};
use crate::input::read_text;
use crate::models::file;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The form of the folder that this program writes and reads.
pub const VERSION: i64 = 1;

/// A search and its folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    search: Search,
}

impl Folder {
    /// Makes the folder of a search, or joins the same search in it. More trials than before prolong it.
    ///
    /// # Errors
    /// A folder of another search, of another version or of something else; variables that the network does not have.
    pub fn create(path: &Path, file: &Path) -> Result<Self> {
        let search = Search::read(file)?;
        search.check_network(file)?;
        fs::create_dir_all(path.join("trials")).map_err(Error::io("create the search folder", path))?;
        let folder = Self { path: path.to_path_buf(), search };
        let _lock = folder.lock()?;
        let own = folder.own();
        if own.exists() {
            let before = Search::read(&own)?;
            if !folder.search.continues(&before) {
                let what = format!("{} holds another search than {}", path.display(), file.display());
                return Err(Error::usage(
                    what,
                    "name another folder with --out, or go on with that one by --out alone",
                ));
            }
            if folder.search.trials < before.trials {
                return Ok(Self { search: before, ..folder });
            }
        } else {
            folder.keep_network()?;
        }
        write_text(&own, &folder.search.to_toml()?)?;
        Ok(folder)
    }

    /// Opens the folder of a search to go on with it.
    ///
    /// # Errors
    /// A folder that holds no search, or one of another version.
    pub fn open(path: &Path) -> Result<Self> {
        let own = path.join("search.toml");
        if !own.is_file() {
            let what = format!("{} holds no search", path.display());
            return Err(Error::usage(what, "begin one with --config FILE.toml"));
        }
        Ok(Self { path: path.to_path_buf(), search: Search::read(&own)? })
    }

    /// Keeps a network in TOML as it is now: trials of the search may be built on another day.
    fn keep_network(&self) -> Result<()> {
        let model = self.search.settings()?.model;
        if self.search.space.domains.contains_key("model") || !file::is_file(&model) {
            return Ok(());
        }
        let kept = self.kept(&model);
        let text = read_text(Path::new(&model), "a network in TOML")?;
        fs::create_dir_all(kept.parent().unwrap_or(&self.path)).map_err(Error::io("create", &kept))?;
        write_text(&kept, &text)
    }

    fn kept(&self, model: &str) -> PathBuf {
        self.path.join("models").join(Path::new(model).file_name().unwrap_or_default())
    }

    /// The network to build where the settings say `model`: the copy in the folder, if there is one.
    pub(super) fn model(&self, model: &str) -> String {
        let kept = self.kept(model);
        match kept.to_str() {
            Some(kept) if file::is_file(model) && Path::new(kept).is_file() => kept.to_owned(),
            _ => model.to_owned(),
        }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is searched.
    pub fn search(&self) -> &Search {
        &self.search
    }

    fn own(&self) -> PathBuf {
        self.path.join("search.toml")
    }

    /// `results.csv`.
    pub fn results(&self) -> PathBuf {
        self.path.join("results.csv")
    }

    /// `search.svg`.
    pub fn picture(&self) -> PathBuf {
        self.path.join("search.svg")
    }

    /// The run folder of a trial.
    pub fn trial(&self, trial: usize) -> PathBuf {
        self.path.join("trials").join(trial.to_string())
    }

    /// The run folder of the best trial, trained anew.
    pub fn best(&self) -> PathBuf {
        self.path.join("best")
    }

    /// All rows so far, in the order in which they were recorded.
    ///
    /// # Errors
    /// A damaged file.
    pub fn rows(&self) -> Result<Vec<Row>> {
        results::read(&self.results(), &self.keys())
    }

    pub(super) fn write_rows(&self, rows: &[Row]) -> Result<()> {
        results::write(&self.results(), &self.keys(), rows)
    }

    fn keys(&self) -> Vec<&str> {
        self.search.space.domains.keys().map(String::as_str).collect()
    }

    /// Waits for the right to read and write the results. It ends when the file is dropped, or with the process.
    pub(super) fn lock(&self) -> Result<File> {
        let path = self.path.join("lock");
        let file = lock::open(&path)?;
        file.lock().map_err(Error::io("lock", &path))?;
        Ok(file)
    }

    /// Removes what killed processes left. [`Folder::lock`] must be held. Run folders are cleaned as they are gone on with.
    pub(super) fn clean(&self) -> Result<()> {
        let models = self.path.join("models");
        [self.path.clone(), models].iter().filter(|path| path.is_dir()).try_for_each(|path| {
            remove_leftovers(path)?;
            Ok(())
        })
    }

    /// The right to work on a trial, unless another process has it.
    pub(super) fn claim(&self, trial: usize) -> Result<Option<File>> {
        try_lock(&self.path.join("trials").join(format!("{trial}.lock")))
    }

    /// The right to train the best trial anew, unless another process has it.
    pub(super) fn claim_best(&self) -> Result<Option<File>> {
        try_lock(&self.path.join("best.lock"))
    }

    /// Trials that other processes are working on. [`Folder::lock`] must be held, and no claim.
    pub(super) fn busy(&self) -> Result<usize> {
        let folder = self.path.join("trials");
        let mut busy = 0;
        for entry in fs::read_dir(&folder).map_err(Error::io("read the folder", &folder))? {
            let path = entry.map_err(Error::io("read the folder", &folder))?.path();
            if path.extension().is_some_and(|e| e == "lock") && try_lock(&path)?.is_none() {
                busy += 1;
            }
        }
        Ok(busy)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::models::{Summary, Variables};
    use crate::search::Halving;
    use crate::train::Config;

    const TEXT: &str = "trials = 5\nseed = 3\n[settings]\nmodel = 'NET'\nepochs = 4\n[halving]\nmin-epochs = 2\n\
        [space]\nlr = { range = [1e-4, 1e-2], log = true }\nnetwork.units = { choice = [3, 4, 5] }\n\
        schedule.warmup-steps = { range = [0, 100] }\n";
    const NET: &str = "input = [8, 8, 1]\n[variables]\nunits = 9\n[[layer]]\nclass = 'Flatten'\n\
        [[layer]]\nclass = 'Dense'\nunits = '${units}'\n[[layer]]\nclass = 'Dense'\nunits = 7\n";

    fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
        let net = folder.join("net.toml");
        fs::write(&net, NET).unwrap();
        let path = folder.join(name);
        fs::write(&path, text.replace("NET", net.to_str().unwrap())).unwrap();
        path
    }

    #[test]
    fn a_trial_depends_on_seed_and_number_alone() {
        let folder = tempfile::tempdir().unwrap();
        let of = |text: &str| Search::read(&written(folder.path(), "a.toml", text)).unwrap();
        let (search, more) = (of(TEXT), of(&TEXT.replace("trials = 5", "trials = 50")));
        assert_eq!(search.halving, Some(Halving { eta: 3, min_epochs: 2 }));
        for trial in 1..=5 {
            let config = search.config(trial).unwrap();
            assert_eq!(config, more.config(trial).unwrap());
            let point: Vec<_> = search.point(trial).map(|(key, value)| (key, value.clone())).collect();
            assert_eq!(point.iter().map(|p| p.0).collect::<Vec<_>>(), ["lr", "network.units", "schedule.warmup-steps"]);
            assert_eq!(config.network["units"], point[1].1);
            assert_eq!(config.lr, point[0].1.as_float().unwrap());
            assert_eq!(config.schedule.warmup_steps as i64, point[2].1.as_integer().unwrap());
            assert_eq!(config.epochs, 4);
        }
        assert_ne!(search.config(1).unwrap(), search.config(2).unwrap());
        assert_ne!(search.config(1).unwrap(), of(&TEXT.replace("seed = 3", "seed = 4")).config(1).unwrap());
        let few = of(TEXT).to_toml().unwrap();
        let one = "[space]\nnetwork.units = { choice = [3, 4, 5, 6, 7] }\n";
        let all = of(&format!("{}{one}", TEXT.split("[space]").next().unwrap()));
        let mut units: Vec<_> =
            (1..=5).map(|n| all.config(n).unwrap().network["units"].as_integer().unwrap()).collect();
        units.sort_unstable();
        assert_eq!(units, [3, 4, 5, 6, 7], "no point twice while there are others");
        assert!(few.contains("version = 1"));
    }

    #[test]
    fn a_folder_is_of_one_search_and_one_version() {
        let base = tempfile::tempdir().unwrap();
        let (file, path) = (written(base.path(), "a.toml", TEXT), base.path().join("search"));
        let text = |r: Result<Folder>| r.unwrap_err().to_string();
        assert!(text(Folder::open(&path)).contains("holds no search"));
        let folder = Folder::create(&path, &file).unwrap();
        assert_eq!(Folder::open(&path).unwrap().search(), folder.search());
        Folder::create(&path, &file).unwrap();
        let more = written(base.path(), "more.toml", &TEXT.replace("trials = 5", "trials = 9"));
        assert_eq!(Folder::create(&path, &more).unwrap().search().trials, 9);
        assert_eq!(Folder::create(&path, &file).unwrap().search().trials, 9, "fewer trials take none away");
        let other = written(base.path(), "other.toml", &TEXT.replace("seed = 3", "seed = 4"));
        assert!(text(Folder::create(&path, &other)).contains("holds another search"));
        fs::write(base.path().join("net.toml"), "changed").unwrap();
        let model = folder.model(&folder.search().config(1).unwrap().model);
        assert_eq!(fs::read_to_string(model).unwrap(), NET, "the network of the first day");
        let own = fs::read_to_string(folder.own()).unwrap();
        fs::write(folder.own(), own.replace("version = 1", "version = 2")).unwrap();
        let error = text(Folder::open(&path));
        assert!(error.contains("search.toml: a search of version 2; expected version 1"), "{error}");
    }

    #[test]
    fn a_claim_is_one_process_s_until_it_ends() {
        let base = tempfile::tempdir().unwrap();
        let folder = Folder::create(&base.path().join("s"), &written(base.path(), "a.toml", TEXT)).unwrap();
        let claim = folder.claim(2).unwrap().unwrap();
        assert!(folder.claim(2).unwrap().is_none() && folder.claim(1).unwrap().is_some());
        assert_eq!(folder.busy().unwrap(), 1);
        drop(claim);
        assert_eq!(folder.busy().unwrap(), 0);
        assert!(folder.claim(2).unwrap().is_some());
    }

    /// The file that users begin with.
    #[test]
    fn the_example_is_the_report_s_seven() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/search");
        let search = Search::read(&example.join("search.toml")).unwrap();
        assert_eq!(search.space.domains.len(), 7);
        let mut totals = std::collections::BTreeSet::new();
        for trial in 1..=4 {
            let Config { network, .. } = search.config(trial).unwrap();
            let graph = file::graph(&example.join("network.toml"), None, &network).unwrap();
            totals.insert(Summary::new(&graph).total);
        }
        assert!(totals.len() > 1, "{totals:?}");
        let own = file::graph(&example.join("network.toml"), None, &Variables::new()).unwrap();
        assert_eq!(Summary::new(&own).total, 1_938_979, "fer3-cnn6-tuned");
    }

    #[test]
    fn refuses_with_line_and_nearest_key() {
        let base = tempfile::tempdir().unwrap();
        for (from, to, words) in [
            ("trials = 5", "trails = 5", "line 1"),
            ("trials = 5", "trails = 5", "did you mean `trials`"),
            ("trials = 5", "trials = 0", "from 1 to"),
            ("trials = 5", "version = 7\ntrials = 5", "a search of version 7"),
            ("epochs = 4", "epoch = 4", "did you mean `epochs`"),
            ("min-epochs = 2", "min-epochs = 0", "at least 1"),
            ("min-epochs = 2", "eta = 1", "eta = 1"),
            ("lr = {", "lrr = {", "did you mean `lr`"),
            ("range = [0, 100]", "choice = ['a']", "[space] schedule.warmup-steps = \"a\""),
            ("schedule.warmup-steps", "schedule.warmup-step", "did you mean `warmup-steps`"),
            ("network.units", "network.unit", "did you mean `network.units`"),
            ("'NET'", "'fer7-small'", "`fer7-small` has no variables"),
            ("lr = { range = [1e-4, 1e-2], log = true }", "device = { choice = ['cpu'] }", "in common"),
        ] {
            let file = written(base.path(), "bad.toml", &TEXT.replacen(from, to, 1));
            let error = Folder::create(&base.path().join("s"), &file).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("bad.toml"), "{to}: {error}");
            assert!(!base.path().join("s").exists());
        }
        let only = "trials = 5\n[settings]\n[space]\nbatch = { choice = [1, 2] }\n";
        let error = Search::read(&written(base.path(), "bad.toml", only)).unwrap_err().to_string();
        assert!(error.contains("only 2 points"), "{error}");
    }
}
