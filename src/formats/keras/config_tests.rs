#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use super::*;
use serde_json::json;

/// A functional model of some layers between an input of 4 x 4 x 3 and a dense layer; `inbound` is in the form of the layers.
fn model(layers: &[Json], last: &str) -> Json {
    let mut all = vec![json!({"class_name": "InputLayer", "config": {"batch_shape": [null, 4, 4, 3], "name": "in"},
        "name": "in", "inbound_nodes": []})];
    all.extend_from_slice(layers);
    all.push(json!({"class_name": "Flatten", "config": {"name": "flat"}, "inbound_nodes": [[[last, 0, 0, {}]]]}));
    all.push(json!({"class_name": "Dense", "config": {"name": "out", "units": 2},
        "inbound_nodes": [[["flat", 0, 0, {}]]]}));
    json!({"class_name": "Functional", "config": {"name": "net", "layers": all,
        "input_layers": [["in", 0, 0]], "output_layers": [["out", 0, 0]]}})
}

fn graph(json: &Json) -> Result<Graph, String> {
    read(&json.to_string(), None).map(|network| network.graph).map_err(|e| e.what)
}

fn rescaling(scale: f32, offset: f32) -> String {
    format!("{:?}", crate::ops::rescaling::Rescaling::new(scale, offset))
}

/// `x / 127.5 - 1`, `1 - x` and `x + y` as Keras 2 writes them.
#[test]
fn operations_of_keras_2_are_layers() {
    let op = |name: &str, function: &str, inbound: Json| {
        json!({"class_name": "TFOpLambda", "config": {"name": name, "function": function}, "name": name,
            "inbound_nodes": [[inbound]]})
    };
    let layers = [
        op("div", "math.truediv", json!(["in", 0, 0, {"y": 127.5, "name": null}])),
        op("sub", "math.subtract", json!(["div", 0, 0, {"y": 1.0, "name": null}])),
        op("from", "math.subtract", json!(["_CONSTANT_VALUE", -1, 2.0, {"y": ["sub", 0, 0], "name": null}])),
        op("sum", "__operators__.add", json!(["from", 0, 0, {"y": ["sub", 0, 0], "name": null}])),
    ];
    let graph = graph(&model(&layers, "sum")).expect("reads");
    let ops: Vec<String> = graph.nodes.iter().map(|n| format!("{:?}", n.op)).collect();
    assert_eq!(ops[..3], [rescaling(1.0 / 127.5, 0.0), rescaling(1.0, -1.0), rescaling(-1.0, 2.0)]);
    assert_eq!((graph.nodes[3].op.name(), &graph.nodes[3].inputs[..]), ("add", &[3, 2][..]));
    let other = [op("relu", "nn.relu", json!(["in", 0, 0, {"name": null}]))];
    let text = super::tests::graph(&model(&other, "relu")).expect_err("no arithmetic");
    assert!(text.contains("layer `relu` (TFOpLambda): `nn.relu` is an operation between layers"), "{text}");
    let other = [op("div", "math.truediv", json!(["_CONSTANT_VALUE", -1, 2.0, {"y": ["in", 0, 0]}]))];
    let text = super::tests::graph(&model(&other, "div")).expect_err("no reciprocal");
    assert!(text.contains("`div`") && text.contains("constant divided by a tensor"), "{text}");
}

/// Whoever reads the scores reads the scores, whoever reads the softmax the softmax.
#[test]
fn a_softmax_that_is_read_is_a_layer_and_one_at_the_end_is_not() {
    let inbound = |from: &[&str]| from.iter().map(|name| json!([name, 0, 0, {}])).collect::<Vec<_>>();
    let layer = |class: &str, name: &str, config: Json, from: &[&str]| {
        let mut config = config;
        config["name"] = name.into();
        json!({"class_name": class, "name": name, "config": config, "inbound_nodes": [inbound(from)]})
    };
    let dense = |activation: &str| json!({"units": 5, "activation": activation});
    let layers = [
        layer("GlobalAveragePooling2D", "pool", json!({}), &["in"]),
        layer("Dense", "scores", dense("linear"), &["pool"]),
        layer("Softmax", "weights", json!({"axis": 1}), &["scores"]),
        layer("Dense", "gate", dense("softmax"), &["pool"]),
        layer("Multiply", "last", json!({}), &["weights", "gate"]),
        layer("Multiply", "both", json!({}), &["last", "scores"]),
    ];
    let mut json = model(&layers, "both");
    let last = json["config"]["layers"].as_array_mut().and_then(|layers| layers.last_mut()).expect("layers");
    last["config"]["activation"] = "softmax".into();
    let network = read(&json.to_string(), None).expect("reads");
    let graph = &network.graph;
    let names: Vec<&str> = graph.nodes.iter().map(|n| n.name.as_str()).collect();
    assert_eq!(names, ["pool", "scores", "weights", "gate", "gate/softmax", "last", "both", "flat", "out"]);
    assert_eq!((&graph.nodes[5].inputs[..], &graph.nodes[6].inputs[..]), (&[3, 5][..], &[6, 2][..]));
    let nodes: Vec<usize> = network.owners.iter().flat_map(|owner| owner.nodes.clone()).collect();
    assert!(network.softmax && nodes == (0..9).collect::<Vec<_>>(), "{nodes:?}");
    let other = [layer("Softmax", "other", json!({"axis": [1, 2]}), &["in"])];
    let text = super::tests::graph(&model(&other, "other")).expect_err("not the last axis");
    assert!(text.contains("`other` (Softmax)") && text.contains("axis"), "{text}");
}

fn layer(module: Json, class: &str, registered: Json, config: Json) -> Json {
    json!({"module": module, "class_name": class, "registered_name": registered, "config": config,
        "inbound_nodes": [[["in", 0, 0, {}]]]})
}

/// Keras 3 and 2 say whose a class is.
#[test]
fn classes_of_a_users_own_are_refused_whatever_their_name() {
    let scale = json!({"name": "own", "scale": 2.0});
    for (module, class, registered) in [
        (json!(null), "Rescaling", json!("Rescaling")),
        (json!(null), "Rescaling", json!("my>Rescaling")),
        (json!("__main__"), "Rescaling", json!("Rescaling")),
        (json!("keras_of_mine.layers"), "Rescaling", json!(null)),
        (json!(null), "my>Rescaling", json!(null)),
    ] {
        let text = graph(&model(&[layer(module, class, registered, scale.clone())], "own")).expect_err("own");
        assert!(text.contains("`own`") && text.contains("its author's own"), "{text}");
    }
    for (module, registered) in [
        (json!("keras.layers"), json!(null)),
        (json!("keras.src.layers.preprocessing.rescaling"), json!("Rescaling")),
        (json!(null), json!(null)),
    ] {
        assert!(graph(&model(&[layer(module, "Rescaling", registered, scale.clone())], "own")).is_ok());
    }
    let function =
        json!({"module": "builtins", "class_name": "function", "config": "tanh", "registered_name": "my>tanh"});
    let config = json!({"name": "own", "filters": 1, "kernel_size": 1, "activation": function});
    let text = graph(&model(&[layer(json!("keras.layers"), "Conv2D", json!(null), config)], "own")).expect_err("own");
    assert!(text.contains("its activation is a function or class of its author's"), "{text}");
}

#[test]
fn all_that_cannot_be_read_is_in_one_message() {
    let keras = || json!("keras.layers");
    let layers = [
        layer(keras(), "Lambda", json!(null), json!({"name": "l"})),
        layer(
            keras(),
            "Conv2D",
            json!(null),
            json!({"name": "c", "filters": 2, "kernel_size": 1, "activation": "mish_of_mine"}),
        ),
        layer(json!("keras.src.ops.numpy"), "Reshape", json!("Reshape"), json!({"name": "r"})),
        layer(keras(), "Dropout", json!(null), json!({"name": "fine", "rate": 0.5})),
    ];
    let text = graph(&model(&layers, "l")).expect_err("three");
    for words in [
        "3 layers cannot be read",
        "layer `l` (Lambda): the class Lambda is not known here",
        "layer `c` (Conv2D): the activation `mish_of_mine` is not known here",
        "layer `r` (Reshape): `Reshape` is an operation between layers",
    ] {
        assert!(text.contains(words), "{text}");
    }
    let error = read(&model(&layers, "l").to_string(), None).expect_err("three");
    assert!(error.expected.contains("BatchNormalization") && error.expected.contains("tanh"), "{}", error.expected);
}

#[test]
fn several_inputs_or_outputs_are_named() {
    let mut json = model(&[], "in");
    json["config"]["input_layers"] = json!({"image": ["in", 0, 0]});
    assert!(graph(&json).is_ok(), "a dictionary of one");
    json["config"]["output_layers"] = json!({"emotion": ["out", 0, 0], "valence": ["flat", 0, 0]});
    let text = graph(&json).expect_err("two outputs");
    assert!(text.contains("2 outputs (emotion, valence); models of one can be read"), "{text}");
    let mut json = model(&[], "in");
    json["config"]["input_layers"] = json!({"image": ["in", 0, 0], "mask": ["in", 0, 0]});
    let text = graph(&json).expect_err("two inputs");
    assert!(text.contains("2 inputs (image, mask); 1 can be given"), "{text}");
}

/// A call by keyword is a call; what is no arithmetic says what it is, in files of Keras 3, with modules and without, and of Keras 2.
#[test]
fn calls_by_keyword_and_other_operations() {
    let tensor = json!({"class_name": "__keras_tensor__", "config": {"keras_history": ["in", 0, 0]}});
    let call = |args: Json, kwargs: Json| json!([{"args": args, "kwargs": kwargs}]);
    let act = |node: Json| json!({"class_name": "ReLU", "module": "keras.layers", "config": {"name": "act"}, "name": "act", "inbound_nodes": node});
    let by_keyword = graph(&model(&[act(call(json!([]), json!({"inputs": tensor})))], "act")).expect("reads");
    let by_place = graph(&model(&[act(call(json!([tensor]), json!({})))], "act")).expect("reads");
    let inputs = |graph: &Graph| graph.nodes.iter().map(|n| (n.op.name(), n.inputs.clone())).collect::<Vec<_>>();
    assert_eq!(inputs(&by_keyword), inputs(&by_place));
    let op = |class: &str, module: Option<&str>, config: Json| {
        let mut layer = json!({"class_name": class, "config": config, "name": "op",
            "inbound_nodes": call(json!([tensor]), json!({"newshape": [-1, 48]}))});
        if let Some(module) = module {
            layer["module"] = json!(module);
        }
        layer
    };
    let named = json!({"name": "op"});
    let keras2 = |class: &str, config: Json| json!({"class_name": class, "config": config, "name": "op", "inbound_nodes": [["in", 0, 0, {"shape": [-1, 48]}]]});
    for (layer, words) in [
        (
            op("Reshape", Some("keras.src.ops.numpy"), named.clone()),
            ["layer `op` (Reshape)", "a layer Reshape or Flatten in its place"],
        ),
        (op("Reshape", None, named.clone()), ["layer `op` (Reshape)", "a layer Reshape or Flatten in its place"]),
        (op("GetItem", Some("keras.src.ops.numpy"), named.clone()), ["layer `op` (GetItem)", "an index or slice"]),
        (op("GetItem", None, named.clone()), ["layer `op` (GetItem)", "an index or slice"]),
        (op("Mean", Some("keras.src.ops.numpy"), named), ["`Mean` is an operation between layers", "+ - * /"]),
        (
            keras2("SlicingOpLambda", json!({"name": "op", "function": "__operators__.getitem"})),
            ["(SlicingOpLambda)", "an index or slice"],
        ),
        (
            keras2("TFOpLambda", json!({"name": "op", "function": "reshape"})),
            ["`reshape` is an operation", "Reshape or Flatten"],
        ),
    ] {
        let text = graph(&model(&[layer], "op")).expect_err("no layer");
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    }
}
