#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
use super::*;

fn read(text: &str) -> Result<Config> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.toml");
    std::fs::write(&path, text).unwrap();
    let config = Config::read(&path)?;
    config.check().map(|()| config)
}

/// Everything that a file can say.
const FULL: &str = "model = 'fer7-cnn3-bn'\nbatch = 'auto'\naccumulate = 4\nweight-decay = 0.004\nclip-norm = 1.0\n\
    time = '1h30m'\nsave-every = 5\n\
    [schedule]\nkind = 'none'\nwarmup-steps = 100\n\
    [early-stopping]\nmonitor = 'val_loss'\npatience = 3\nmin-delta = 0.001\nrestore-best-weights = true\n\
    [reduce-on-plateau]\nfactor = 0.5\n\
    [[phase]]\nepochs = 2\n[[phase]]\nepochs = 3\nlr = 0.0001\n";

/// What `--print-config` prints is the same run.
#[test]
fn what_is_printed_is_what_was_read() {
    for config in [
        read(FULL).unwrap(),
        Config::default(),
        read("[schedule]\nkind = 'step'\nboundaries = [5]\nvalues = [0.1, 0.01]").unwrap(),
    ] {
        let text = config.to_toml().unwrap();
        assert_eq!(read(&text).unwrap(), config, "{text}");
    }
    let text = Config::default().to_toml().unwrap();
    for key in ["batch = 32", "accumulate = 1", "weight-decay = 0.0", "save-every = 0", "[schedule]", "kind = \"none\""]
    {
        assert!(text.contains(key), "{key}: {text}");
    }
}

#[test]
fn errors_name_the_line_and_the_nearest_key() {
    for (text, words) in [
        ("epochs = 3\nbach = 4\n", ["line 2", "did you mean `batch`?"]),
        ("lr = 0.1\n\n[schedule]\nkid = 'cosine'\n", ["line 4", "did you mean `kind`?"]),
        ("[early-stopping]\nmonitor = 'val_los'\n", ["line 2", "did you mean `val_loss`?"]),
        ("[reduce-on-plateau]\nfactr = 0.5\n", ["line 2", "did you mean `factor`?"]),
        ("batch = 'large'\n", ["line 1", "auto"]),
        ("batch = 0\n", ["line 1", "at least 1"]),
        ("lr = \n", ["line 1", "settings as"]),
        ("time = '2 hours'\n", ["--time 2 hours", "1h30m"]),
        ("accumulate = 0\n", ["--accumulate 0", "at least 1"]),
        ("weight-decay = -1.0\n", ["--weight-decay -1", "0 or more"]),
        ("weight-decay-on = 'biases'\n", ["unknown name `biases`", "`kernels`"]),
        ("epochs = 'three'\n", ["line 1", "expected a whole number, 0 or more"]),
        ("epochs = 2.5\n", ["line 1", "expected a whole number"]),
        ("lr = true\n", ["line 1", "expected a number"]),
        ("[early-stopping]\nrestore-best-weights = 1\n", ["line 2", "expected true or false"]),
        ("classes = 3\n", ["line 1", "expected a list"]),
        ("augment = 3\n", ["line 1", "a table of settings"]),
        ("class-weight = 3\n", ["line 1", "a table of a number for each class"]),
        ("early-stopping = 3\n", ["line 1", "expected a table"]),
        ("[[phase]]\nfreeze = 'body'\n", ["line 1", "missing field `epochs`"]),
        ("\nlr = inf\n", ["line 2", "nan or inf"]),
        ("[early-stopping]\nbaseline = nan\n", ["line 2", "nan or inf"]),
        ("clip-norm = 0.0\n", ["--clip-norm 0", "positive"]),
        ("clip-norm = 1.0\nclip-value = 1.0\n", ["--clip-norm", "one of the two"]),
        ("[reduce-on-plateau]\nfactor = 1.5\n", ["factor 1.5", "between 0 and 1"]),
        ("[reduce-on-plateau]\n[schedule]\nkind = 'cosine'\n", ["reduce-on-plateau", "choose one"]),
        ("[[phase]]\nepochs = 1\nbatch = 0\n", ["phase 1", "batch 0"]),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(words.iter().all(|w| error.contains(w)), "{text}: {error}");
    }
}

#[test]
fn patience_and_the_table_are_one_setting() {
    assert_eq!(Config::default().stopping(), None);
    let short = Config { patience: 4, ..Config::default() }.stopping().unwrap();
    assert_eq!((short.monitor, short.patience), (Monitor::ValAccuracy, 4));
    let full = read(FULL).unwrap();
    assert_eq!(full.stopping(), full.early_stopping);
    let both = Config { patience: 9, ..full.clone() };
    assert_eq!(both.stopping().unwrap(), EarlyStopping { patience: 9, ..full.early_stopping.clone().unwrap() });
    assert_eq!((Config::default().monitor(), full.monitor()), (Monitor::ValAccuracy, Monitor::ValLoss));
    assert!(both.check_continues(&full).is_ok());
    let error = Config { accumulate: 2, ..full.clone() }.check_continues(&full).unwrap_err().to_string();
    assert!(error.contains("accumulate") && error.contains("keeps its settings"), "{error}");
}

/// What a file sets out of range is named where it stands; what a flag sets is the flag's.
#[test]
fn values_out_of_range_are_traced_to_their_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.toml");
    for (text, words) in [
        ("model = 'fer7-small'\nlr = 0\n", ["settings.toml, line 2, column 1 (`lr = 0`): lr 0\n", "positive number"]),
        ("epochs = 0\n", ["line 1, column 1 (`epochs = 0`)", "at least 1"]),
        ("[schedule]\nwarmup-from = -1.0\n", ["line 2, column 1 (`warmup-from = -1.0`)", "0 or more"]),
        ("[augment]\n  rotation_range = 360\n", ["line 2, column 3 (`rotation_range = 360`)", "0 to 180"]),
        ("[[phase]]\nepochs = 1\n[[phase]]\nepochs = 2\nlr = -1.0\n", ["line 5, column 1 (`lr = -1.0`)", "positive"]),
        ("[early-stopping]\n[reduce-on-plateau]\nmin-lr = -1.0\n", ["line 3, column 1 (`min-lr = -1.0`)", "0 or more"]),
        ("time = '2 hours'\n", ["line 1, column 1 (`time = '2 hours'`)", "1h30m"]),
    ] {
        std::fs::write(&path, text).unwrap();
        let config = Config::read(&path).unwrap();
        let error = config.check().unwrap_err();
        let error = config.traced(&path, error).to_string();
        assert!(words.iter().all(|w| error.contains(w)) && !error.contains("--"), "{text}: {error}");
    }
    std::fs::write(&path, "lr = 0.1\n").unwrap();
    let flag = Config { lr: 0.0, ..Config::read(&path).unwrap() };
    assert!(flag.traced(&path, flag.check().unwrap_err()).to_string().starts_with("--lr 0\n"));
}
