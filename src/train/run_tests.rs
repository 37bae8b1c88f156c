#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
use super::*;
use crate::eval::metrics::tests::sample;
use crate::train::history::{read_results, tests::row};

#[test]
fn numbers_count_up_and_runs_never_share() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("runs/train");
    let made = |_| RunFolder::create_numbered(&base).unwrap().path().to_path_buf();
    assert_eq!([(); 2].map(made), [base.join("1"), base.join("2")]);
    fs::create_dir(base.join("9")).unwrap();
    fs::write(base.join("12"), "a file").unwrap();
    fs::create_dir(base.join("notes")).unwrap();
    assert_eq!(made(()), base.join("13"));
    let mut paths: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| made(()))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), 8);
    let shared = folder.path().join("shared");
    let winners: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| RunFolder::create(Some(&shared)).is_ok())).collect();
        threads.into_iter().map(|t| usize::from(t.join().unwrap())).sum()
    });
    assert_eq!(winners, 1);
}

#[test]
fn occupied_and_unwritable_folders_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "precious").unwrap();
    let text = |path: &Path| RunFolder::create(Some(path)).unwrap_err().to_string();
    assert!(text(folder.path()).contains("already holds files") && text(folder.path()).contains("--resume"));
    assert!(text(&file).contains("is a file"));
    assert!(text(&file.join("run")).contains("cannot create the run folder"));
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    let run = RunFolder::create(Some(&folder.path().join("a/b"))).unwrap();
    fs::write(run.last(), "").unwrap();
    assert!(text(run.path()).contains("already holds a run"));
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    assert!(RunFolder::create(Some(&empty)).is_ok());
    // Nobody, not even root, creates files there.
    #[cfg(target_os = "linux")]
    {
        let error = RunFolder::at(Path::new("/proc/self")).claim().unwrap_err().to_string();
        assert!(error.contains("cannot write in the run folder"), "{error}");
        assert!(text(Path::new("/proc/self/run")).contains("cannot create the run folder"));
    }
}

#[test]
fn opening_needs_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::create(Some(&folder.path().join("run"))).unwrap();
    let text = |path: &Path| RunFolder::open(path).unwrap_err().to_string();
    assert!(text(run.path()).contains("resume from"));
    assert!(text(&run.env()).contains("not a run folder"));
    assert!(text(&folder.path().join("none")).contains("cannot open"));
    assert!(checkpoint_of(run.path()).unwrap_err().to_string().contains("neither"));
    let saved_model = folder.path().join("saved_model");
    fs::create_dir(&saved_model).unwrap();
    fs::write(saved_model.join("saved_model.pb"), "").unwrap();
    assert!(checkpoint_of(&saved_model).unwrap_err().to_string().contains("is a TensorFlow SavedModel"));
    assert!(checkpoint_of(&folder.path().join("none")).is_err());
    fs::write(run.last(), "").unwrap();
    assert_eq!(RunFolder::open(run.path()).unwrap().path(), run.path());
    assert_eq!(checkpoint_of(run.path()).unwrap(), run.last());
    fs::write(run.best(), "").unwrap();
    assert_eq!(checkpoint_of(run.path()).unwrap(), run.best());
    assert_eq!(checkpoint_of(&run.env()).unwrap(), run.env());
}

#[test]
fn writes_every_file() {
    #[derive(Serialize)]
    struct Config {
        model: &'static str,
        epochs: usize,
    }
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::create(Some(&folder.path().join("run"))).unwrap();
    run.write_config(&Config { model: "mini", epochs: 3 }).unwrap();
    run.write_env(&Environment::here("none")).unwrap();
    let history: Vec<_> = (1..=3).map(row).collect();
    run.write_results(&history, Some(3), &Scores::Classes(sample())).unwrap();
    assert_eq!(fs::read_to_string(run.config()).unwrap(), "model = \"mini\"\nepochs = 3\n");
    let env: serde_json::Value = serde_json::from_slice(&fs::read(run.env()).unwrap()).unwrap();
    assert!(env["cpus"].as_u64().unwrap() > 0 && env["started"].as_str().unwrap().ends_with('Z'));
    assert_eq!(read_results(&run.results()).unwrap(), history);
    let metrics: serde_json::Value = serde_json::from_slice(&fs::read(run.metrics()).unwrap()).unwrap();
    assert_eq!(metrics["per_class"]["happy"]["support"], 0);
    for file in [run.report(), run.confusion_csv(), run.confusion_svg(), run.curves()] {
        assert!(fs::metadata(file).unwrap().len() > 0);
    }
    assert_eq!(fs::read_dir(run.path()).unwrap().count(), 12, "no temporary file is left");
}
