//! Small whole files of every kind, made here or by the software whose files they are (`tests/golden`).

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

fn golden(folder: &str, ending: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(folder);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).expect("the goldens").filter_map(|e| Some(e.ok()?.path())).collect();
    files.sort_unstable();
    files.retain(|f| f.to_string_lossy().ends_with(ending));
    files.iter().map(|f| std::fs::read(f).expect("a golden")).collect()
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

pub(crate) fn csv() -> Vec<Vec<u8>> {
    let mut table = "emotion,pixels,Usage\n".to_owned();
    for usage in ["Training", "PublicTest", "PrivateTest"] {
        for label in 0..7 {
            table += &format!("{label},{}{usage}\n", "7 ".repeat(2304).trim_end().to_owned() + ",");
        }
    }
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(table.as_bytes()).expect("memory");
    let short: String = table.lines().take(3).map(|line| format!("{line}\n")).collect();
    vec![table.into_bytes(), packed.finish().expect("memory"), short.into_bytes()]
}

pub(crate) fn votes() -> Vec<Vec<u8>> {
    let names =
        ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF"];
    let mut table = format!("Usage,Image name,{}\n", names.join(","));
    for (s, usage) in ["Training", "PublicTest", "PrivateTest"].iter().enumerate() {
        (0..7).for_each(|i| table += &format!("{usage},fer{:07}.png,1,0,2,0,3,0,{i},0,1,0\n", s * 7 + i));
    }
    vec![table.into_bytes()]
}

pub(crate) fn values() -> Vec<Vec<u8>> {
    texts(&[
        "path,valence,arousal\n0.png,0.5,-1\n1.png,1e-3,0\n2.png,-0.25,1\n3.png,0,0\n",
        "split,path,smile\ntrain,0.png,0\nval,1.png,1\ntest,2.png,2\n",
    ])
}

pub(crate) fn weights_csv() -> Vec<Vec<u8>> {
    texts(&["class,weight\nangry,1\ndisgust,9.5\nfear,1\nhappy,0.5\nsad,1\nsurprise,1\nneutral,1e-3\n"])
}

pub(crate) fn weights_toml() -> Vec<Vec<u8>> {
    texts(&["angry = 1\ndisgust = 9.5\nfear = 1\nhappy = 0.5\nsad = 1\nsurprise = 1\nneutral = 1e-3\n"])
}

pub(crate) fn network() -> Vec<Vec<u8>> {
    texts(&[
        "input = [8, 8, 1]\n[variables]\nn = 3\n[[layer]]\nclass = 'Conv2D'\nfilters = '${n}'\nkernel_size = [3, 3]\nstrides = 2\n\
         padding = 'same'\nactivation = 'relu'\nname = 'a'\n[[layer]]\nclass = 'BatchNormalization'\nepsilon = 1e-3\n[[layer]]\n\
         class = 'Add'\ninputs = ['a', 'batch_normalization']\n[[layer]]\nclass = 'GlobalAveragePooling2D'\n[[layer]]\nclass = 'Dense'\n\
         units = 5\nactivation = 'softmax'\n",
        "input = [9, 7, 3]\n[[layer]]\nclass = 'ZeroPadding2D'\npadding = [[1, 2], [3, 4]]\n[[layer]]\nclass = 'DepthwiseConv2D'\n\
         kernel_size = 3\ndepth_multiplier = 2\n[[layer]]\nclass = 'MaxPooling2D'\npool_size = 2\n[[layer]]\nclass = 'AveragePooling2D'\n\
         pool_size = [2, 1]\nstrides = 1\n[[layer]]\nclass = 'Dropout'\nrate = 0.5\n[[layer]]\nclass = 'Flatten'\n[[layer]]\nclass = 'Dense'\n\
         units = 4\n[[layer]]\nclass = 'Reshape'\ntarget_shape = [2, 2, 1]\n[[layer]]\nclass = 'Rescaling'\nscale = 0.5\n[[layer]]\n\
         class = 'LeakyReLU'\nnegative_slope = 0.2\n[[layer]]\nclass = 'GlobalMaxPooling2D'\n",
    ])
}

pub(crate) fn settings() -> Vec<Vec<u8>> {
    let all = fer_gpu::train::Config::default().to_toml().expect("settings");
    texts(&[
        &all,
        "model = 'fer3-vgg16'\nlr = 0.01\nbatch = 'auto'\ntime = '1h30m'\nsize = '96x128'\n[[phase]]\nepochs = 3\nfreeze = 'body'\n[[phase]]\n\
         epochs = 5\nunfreeze_last = 10\nlr = 0.0001\nbatch = 16\n[schedule]\nkind = 'cosine'\nwarmup-steps = 10\n[early-stopping]\npatience = 3\n\
         monitor = 'val-loss'\n[augment]\nrotation-range = 20\nzoom-range = [0.8, 1.2]\nfill-mode = 'reflect'\n[class-weight]\nhappy = 2\n",
    ])
}

pub(crate) fn search() -> Vec<Vec<u8>> {
    texts(&[
        "trials = 5\nseed = 3\n[settings]\nmodel = 'fer7-small'\nepochs = 4\n[halving]\nmin-epochs = 2\neta = 3\n[space]\n\
         lr = { range = [1e-4, 1e-2], log = true }\nbatch = { choice = [16, 32, 64] }\nweight-decay = { range = [0, 0.1], step = 0.01 }\n\
         schedule.warmup-steps = { range = [0, 100] }\n",
    ])
}

/// A checkpoint with and without its checksum: damage behind it reaches the reader's other checks.
pub(crate) fn checkpoint() -> Vec<Vec<u8>> {
    let path = std::env::temp_dir().join(format!("fer-gpu-fuzz-{}.safetensors", std::process::id()));
    let keras = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/keras/small_sequential.h5");
    let (checkpoint, _) = fer_gpu::train::import(&keras, &fer_gpu::train::Import::default()).expect("a golden");
    checkpoint.save(&path).expect("a checkpoint");
    let bytes = std::fs::read(&path).expect("a checkpoint");
    std::fs::remove_file(&path).expect("a checkpoint");
    let place = bytes.windows(7).position(|w| w == b"\"crc32\"").expect("a checksum");
    let mut without = bytes.clone();
    without[place + 1..place + 6].copy_from_slice(b"other");
    vec![bytes, without.clone(), without]
}

pub(crate) fn keras_h5() -> Vec<Vec<u8>> {
    golden("keras", ".h5")
}

pub(crate) fn keras_zip() -> Vec<Vec<u8>> {
    golden("keras", ".keras")
}

pub(crate) fn image() -> Vec<Vec<u8>> {
    let grey = image::GrayImage::from_fn(9, 7, |x, y| image::Luma([(x * 29 + y * 31) as u8]));
    let colour = image::RgbaImage::from_fn(5, 8, |x, y| image::Rgba([(x * 50) as u8, (y * 30) as u8, 90, 200]));
    let colour = image::DynamicImage::ImageRgba8(colour);
    let mut files = Vec::new();
    for format in [image::ImageFormat::Png, image::ImageFormat::Jpeg, image::ImageFormat::Bmp, image::ImageFormat::Pnm]
    {
        for picture in
            [image::DynamicImage::ImageLuma8(grey.clone()), colour.to_rgb8().into(), colour.to_rgba16().into()]
        {
            let mut bytes = Cursor::new(Vec::new());
            if picture.write_to(&mut bytes, format).is_ok() {
                files.push(bytes.into_inner());
            }
        }
    }
    files
}

pub(crate) fn parquet() -> Vec<Vec<u8>> {
    [golden("parquet", ".parquet"), golden("parquet/data", ".parquet")].concat()
}

pub(crate) fn results() -> Vec<Vec<u8>> {
    texts(&[
        "epoch,loss,accuracy,mse,val_loss,val_accuracy,val_mse,lr,seconds,images_per_s\n1,1.9,0.2,0.1,1.8,0.25,0.1,0.001,2.5,100.0\n\
         2,1.5,0.4,0.1,NaN,inf,0.1,0.001,2.5,100.0\n",
        "epoch,loss,mse,val_loss,val_mse,lr,seconds,images_per_s,val_rmse,val_ccc,val_rmse_smile,val_ccc_smile\n\
         1,1.9,0.2,0.1,1.8,0.001,2.5,100.0,0.5,0.25,0.5,0.25\n",
    ])
}

pub(crate) fn metrics() -> Vec<Vec<u8>> {
    texts(&[
        "{\"split\": \"test\", \"n\": 20, \"accuracy\": 0.5, \"macro_f1\": 0.4, \"ccc\": null, \"rmse\": null, \"loss\": 1.5}\n",
    ])
}

pub(crate) fn paths() -> Vec<Vec<u8>> {
    texts(&["0.png\n*.png\n[0-9].png\ngone.png\n", "a?b*\n.hidden\n\n"])
}
