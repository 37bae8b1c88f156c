//! Keras's outputs and gradients (`tests/golden`, written by tools/keras_golden.py) against the f64 reference, and against the
//! kernels on an adapter. Both start from the same inputs, which come from the formula of `tensor::fill`.
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use fer_gpu::gpu::Gpu;
use fer_gpu::gpu::adapter::DeviceChoice;
use fer_gpu::ops::add::Add;
use fer_gpu::ops::augment::{Augment, FillMode, Row, Transform};
use fer_gpu::ops::average::Average;
use fer_gpu::ops::avg_pool2d::AvgPool2d;
use fer_gpu::ops::batch_norm::BatchNorm;
use fer_gpu::ops::concat::Concat;
use fer_gpu::ops::conv2d::Conv2d;
use fer_gpu::ops::crop2d::Crop2d;
use fer_gpu::ops::dense::Dense;
use fer_gpu::ops::depthwise_conv2d::DepthwiseConv2d;
use fer_gpu::ops::general_conv2d::GeneralConv2d;
use fer_gpu::ops::global_avg_pool::GlobalAvgPool;
use fer_gpu::ops::global_max_pool::GlobalMaxPool;
use fer_gpu::ops::group_norm::GroupNorm;
use fer_gpu::ops::layer_norm::LayerNorm;
use fer_gpu::ops::leaky_relu::LeakyRelu;
use fer_gpu::ops::max_pool2d::MaxPool2d;
use fer_gpu::ops::maximum::Maximum;
use fer_gpu::ops::mul::Mul;
use fer_gpu::ops::normalization::Normalization;
use fer_gpu::ops::permute::Permute;
use fer_gpu::ops::relu::Relu;
use fer_gpu::ops::relu6::Relu6;
use fer_gpu::ops::rescaling::Rescaling;
use fer_gpu::ops::sigmoid::Sigmoid;
use fer_gpu::ops::silu::Silu;
use fer_gpu::ops::softmax::Softmax;
use fer_gpu::ops::softmax_cross_entropy::one_hot;
use fer_gpu::ops::subtract::Subtract;
use fer_gpu::ops::tanh::Tanh;
use fer_gpu::ops::upsample2d::{Interpolation, Upsample2d};
use fer_gpu::ops::window::Padding;
use fer_gpu::ops::zero_pad2d::ZeroPad2d;
use fer_gpu::ops::{self, Case, Input, Op, Subject, Tolerance};
use fer_gpu::tensor::Shape;
use fer_gpu::verify::{self, Outputs};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Ops that Keras has no answer to: its dropouts draw other masks, and flattening and reshaping move nothing (their own tests check
/// them).
const WITHOUT_GOLDENS: [&str; 4] = ["dropout", "flatten", "reshape", "stochastic_depth"];

#[derive(Deserialize)]
struct File {
    op: String,
    cases: Vec<Golden>,
}

#[derive(Deserialize)]
struct Golden {
    name: String,
    config: Value,
    inputs: BTreeMap<String, Formula>,
    outputs: BTreeMap<String, Values>,
}

#[derive(Clone, Deserialize)]
struct Formula {
    shape: Vec<usize>,
    seed: u32,
    scale: f32,
    shift: f32,
    quantize: Option<f32>,
}

#[derive(Deserialize)]
struct Values {
    shape: Vec<usize>,
    values: Vec<f64>,
}

/// The golden files of every op of the table; a missing or empty one fails the test.
fn files() -> Vec<File> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let names = ops::TABLE.iter().map(|row| row.name).filter(|name| !WITHOUT_GOLDENS.contains(name));
    let read = |name: &str| {
        let path = folder.join(format!("{name}.json"));
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|e| panic!("{}: {e}; tools/keras_golden.py writes it", path.display()));
        let file: File = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert_eq!(file.op, name);
        assert!(!file.cases.is_empty(), "{name}: no cases");
        file
    };
    names.map(read).collect()
}

impl Golden {
    fn input(&self, name: &str) -> Input {
        let f = self.inputs.get(name).unwrap_or_else(|| panic!("{}: no input `{name}`", self.name));
        Input { shape: Shape::new(f.shape.clone()), seed: f.seed, scale: f.scale, shift: f.shift, quantize: f.quantize }
    }

    fn number(&self, key: &str) -> f64 {
        self.config[key].as_f64().unwrap_or_else(|| panic!("{}: no number `{key}`", self.name))
    }

    fn numbers(&self, key: &str) -> Vec<f32> {
        serde_json::from_value(self.config[key].clone()).expect(key)
    }

    fn size(&self, key: &str) -> usize {
        self.number(key) as usize
    }

    fn pair(&self, key: &str) -> [usize; 2] {
        serde_json::from_value(self.config[key].clone()).expect(key)
    }

    fn pair_or(&self, key: &str, default: [usize; 2]) -> [usize; 2] {
        if self.config.get(key).is_some() { self.pair(key) } else { default }
    }

    fn flag(&self, key: &str) -> bool {
        self.config[key].as_bool().expect(key)
    }

    fn padding(&self) -> Padding {
        match self.config["padding"].as_str() {
            Some("same") => Padding::Same,
            Some("valid") => Padding::Valid,
            other => panic!("{}: padding {other:?}", self.name),
        }
    }

    /// The case that runs the same thing here.
    fn case(&self, op: &str) -> Case {
        match op {
            "add" => self.of(Add),
            "augment" => self.augmented(),
            "average" => self.of(Average),
            "avg_pool2d" => {
                self.of(AvgPool2d { window: self.pair("window"), stride: self.pair("stride"), padding: self.padding() })
            }
            "batch_norm" => {
                let (momentum, epsilon) = (self.number("momentum") as f32, self.number("epsilon") as f32);
                let case = self.of(BatchNorm { momentum, epsilon, ..BatchNorm::default() });
                if self.flag("training") { case } else { case.inference() }
            }
            "concat" => self.of(Concat),
            "conv2d" => self.of(Conv2d {
                filters: self.size("filters"),
                kernel: self.pair("kernel"),
                stride: self.pair("stride"),
                padding: self.padding(),
                bias: self.flag("bias"),
            }),
            "crop2d" => self.of(Crop2d { rows: self.pair("rows"), columns: self.pair("columns") }),
            "dense" => self.of(Dense { units: self.size("units"), bias: self.flag("bias") }),
            "depthwise_conv2d" => self.of(DepthwiseConv2d {
                kernel: self.pair("kernel"),
                stride: self.pair("stride"),
                dilation: self.pair_or("dilation", [1; 2]),
                padding: self.padding(),
                multiplier: self.size("multiplier"),
                bias: self.flag("bias"),
            }),
            "general_conv2d" => self.of(GeneralConv2d {
                filters: self.size("filters"),
                kernel: self.pair("kernel"),
                stride: self.pair("stride"),
                dilation: self.pair("dilation"),
                groups: self.size("groups"),
                padding: self.padding(),
                bias: self.flag("bias"),
            }),
            "global_avg_pool" => self.of(GlobalAvgPool),
            "global_max_pool" => self.of(GlobalMaxPool),
            "group_norm" => self.of(GroupNorm {
                groups: self.config["groups"].as_u64().map(|groups| groups as usize),
                epsilon: self.number("epsilon") as f32,
                center: self.flag("center"),
                scale: self.flag("scale"),
            }),
            "layer_norm" => self.of(LayerNorm {
                axes: self.size("axes"),
                epsilon: self.number("epsilon") as f32,
                center: self.flag("center"),
                scale: self.flag("scale"),
            }),
            "leaky_relu" => self.of(LeakyRelu { slope: self.number("slope") as f32 }),
            "max_pool2d" => {
                self.of(MaxPool2d { window: self.pair("window"), stride: self.pair("stride"), padding: self.padding() })
            }
            "maximum" => self.of(Maximum),
            "mean_squared_error" => Case {
                subject: {
                    let (predictions, targets) = (self.input("predictions"), self.input("targets"));
                    let weights = vec![1.0; predictions.shape.dims()[0]];
                    Subject::Regression { predictions, targets, weights }
                },
                ..self.of(Relu)
            },
            "normalization" => self.of(Normalization),
            "mul" => self.of(Mul),
            "permute" => {
                self.of(Permute { axes: self.numbers("dims").iter().map(|axis| *axis as usize - 1).collect() })
            }
            "relu" => self.of(Relu),
            "relu6" => self.of(Relu6),
            "rescaling" => self.of(Rescaling { scale: self.numbers("scale"), offset: self.numbers("offset") }),
            "sigmoid" => self.of(Sigmoid),
            "silu" => self.of(Silu),
            "softmax" => self.of(Softmax),
            "softmax_cross_entropy" => Case {
                subject: {
                    let labels: Vec<u32> = serde_json::from_value(self.config["labels"].clone()).expect("labels");
                    let logits = self.input("logits");
                    let targets = one_hot(&labels, logits.shape.dims()[1]);
                    Subject::Loss { logits, targets, weights: vec![1.0; labels.len()], smoothing: 0.0 }
                },
                ..self.of(Relu)
            },
            "subtract" => self.of(Subtract),
            "tanh" => self.of(Tanh),
            "upsample2d" => self.of(Upsample2d {
                factor: self.pair("factor"),
                interpolation: match self.config["interpolation"].as_str() {
                    Some("nearest") => Interpolation::Nearest,
                    _ => Interpolation::Bilinear,
                },
            }),
            "zero_pad2d" => self.of(ZeroPad2d { rows: self.pair("rows"), columns: self.pair("columns") }),
            _ => panic!("{op}: say here how its golden cases are built"),
        }
    }

    /// A warp, or a change of contrast: ImageDataGenerator's pixels go from 0 to 255.
    fn augmented(&self) -> Case {
        let warps = self.config.get("theta").is_some();
        let number = |key: &str| self.number(key);
        let x = self.input("x");
        let (fill, cval, row) = if warps {
            let (theta, shear) = (number("theta"), number("shear"));
            let [tx, ty, zx, zy] = ["tx", "ty", "zx", "zy"].map(number);
            let transform = Transform { theta, tx, ty, shear, zx, zy, flip: self.flag("flip") };
            let fill = serde_json::from_value(self.config["fill_mode"].clone()).expect("fill_mode");
            (fill, number("cval") as f32, transform.row(x.shape.dims()[1], x.shape.dims()[2]))
        } else {
            (FillMode::default(), 0.0, Row { contrast: number("contrast") as f32, ..Row::IDENTITY })
        };
        let op = Augment { warps, pixels: !warps, fill, cval, scale: [1.0; 4], offset: [0.0; 4] };
        Case { subject: Subject::Augment { op, x, rows: vec![row] }, ..self.of(Relu) }
    }

    /// An op on the golden's inputs, parameters and cotangent.
    fn of(&self, op: impl Op + 'static) -> Case {
        // An op of several inputs has x0, x1 ...; a loss has logits or predictions instead of x, and makes its own cotangent.
        let several = (0..).map(|i| format!("x{i}")).take_while(|name| self.inputs.contains_key(name));
        let mut inputs: Vec<Input> = several.map(|name| self.input(&name)).collect();
        if inputs.is_empty() {
            let x = ["x", "logits", "predictions"].into_iter().find(|name| self.inputs.contains_key(*name));
            inputs.push(self.input(x.unwrap_or_else(|| panic!("{}: no input", self.name))));
        }
        let mut case = Case::new(&self.name, op, inputs, Tolerance::EXACT);
        if let Subject::Op { op, inputs, params, .. } = &mut case.subject {
            let samples: Vec<Shape> = inputs.iter().map(|i| Shape::new(&i.shape.dims()[1..])).collect();
            *params = op
                .params(&samples.iter().collect::<Vec<_>>())
                .iter()
                .map(|spec| match spec.name {
                    // Counted and stored, never read: Keras's files of cases do without it.
                    "count" => Input::new(spec.shape.clone(), 0),
                    name => self.input(golden_name(name)),
                })
                .collect();
        }
        if let Some(dy) = self.inputs.get("dy") {
            assert_eq!((dy.scale, dy.shift, dy.quantize), (1.0, 0.0, None), "{}: a plain cotangent", self.name);
            case.cotangent = dy.seed;
        }
        case
    }

    /// Compares every golden output with ours: `|ours - golden| <= absolute + relative * max |golden|`, over a tensor.
    fn check(&self, op: &str, ours: &Outputs, absolute: f64, relative: f64, failures: &mut Vec<String>) {
        assert!(self.outputs.contains_key("y") || self.outputs.contains_key("loss"), "{op}/{}: no y", self.name);
        for (name, golden) in &self.outputs {
            let (shape, values) = self.find(ours, name);
            assert_eq!(shape, golden.shape, "{op}/{}: shape of {name}", self.name);
            assert_eq!(values.len(), golden.values.len(), "{op}/{}: {name}", self.name);
            let largest = golden.values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            let allowed = absolute + relative * largest;
            let wrong = values.iter().zip(&golden.values).position(|(a, b)| (a - b).abs() > allowed || a.is_nan());
            if let Some(i) = wrong {
                let (got, want) = (values[i], golden.values[i]);
                failures.push(format!("{op}/{}: {name}[{i}] = {got:e}, Keras {want:e} (+-{allowed:e})", self.name));
            }
        }
    }

    /// Our tensor of a golden output's name. Keras reports means of the batch, our metrics are sums.
    fn find(&self, ours: &Outputs, golden: &str) -> (Vec<usize>, Vec<f64>) {
        let tensor = |name: &str| {
            let found = ours.iter().find(|(n, _)| n == name);
            &found.unwrap_or_else(|| panic!("{}: we have no `{name}`", self.name)).1
        };
        let metric = |i: usize| tensor("metrics").data[i];
        match golden {
            "loss" => (vec![], vec![metric(0) / metric(3)]),
            "correct" => (vec![], vec![metric(1)]),
            "mse" => (vec![], vec![metric(2) / metric(3)]),
            _ => {
                let tensor = tensor(our_name(golden));
                (tensor.shape.dims().to_vec(), tensor.data.clone())
            }
        }
    }
}

/// The golden files' name of a parameter.
fn golden_name(parameter: &str) -> &str {
    match parameter {
        "kernel" => "w",
        "bias" => "b",
        other => other,
    }
}

/// Our name of a golden output.
fn our_name(golden: &str) -> &str {
    match golden {
        "dx" => "dx0",
        "dw" => "dkernel",
        "db" => "dbias",
        "new_mean" => "moving_mean",
        "new_variance" => "moving_variance",
        "probs" => "probabilities",
        other => other,
    }
}

/// Keras ran in f64 from the same f32 inputs, so only two things differ: the files hold 9 significant digits (5e-9), and our
/// ops hold their settings (momentum, epsilon) as f32 (6e-8). Elements near 0 of a tensor are differences of larger ones: hence
/// relative to the tensor's largest. The absolute part is for tensors whose every element is 0 but for f64 rounding.
#[test]
fn the_reference_agrees_with_keras() {
    let mut failures = Vec::new();
    for file in files() {
        for golden in &file.cases {
            let ours = verify::reference(&golden.case(&file.op)).expect(&golden.name);
            // An image's numbers are f32: a place is off by 1e-6, where neighbours differ by up to 255.
            let absolute = if file.op == "augment" { 1e-3 } else { 1e-12 };
            golden.check(&file.op, &ours, absolute, 1e-6, &mut failures);
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Sums of up to a few thousand f32 products of numbers around 1: 1e-5 of a tensor's largest element, and 2e-6 for tensors that
/// are small because large terms cancel (the gradient through a batch norm of two rows).
#[test]
fn the_gpu_agrees_with_keras() {
    let gpu = Gpu::open(&DeviceChoice::Auto, wgpu::Backends::all())
        .expect("the tests need an adapter: tools/test.sh installs one");
    let mut failures = Vec::new();
    for file in files() {
        for golden in &file.cases {
            let run = verify::outputs(&gpu, &golden.case(&file.op)).expect(&golden.name);
            failures.extend(run.faults.iter().map(|fault| format!("{}/{}: {fault}", file.op, golden.name)));
            golden.check(&file.op, &run.outputs, 2e-6, 1e-5, &mut failures);
        }
    }
    assert!(failures.is_empty(), "{}: {failures:#?}", gpu.description);
}
