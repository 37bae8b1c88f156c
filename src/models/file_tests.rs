#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
use super::*;
use crate::models::Summary;

fn parse(text: &str) -> Result<Description> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.toml");
    std::fs::write(&path, text).unwrap();
    read(&path, None, &Variables::new())
}

#[test]
fn limits_come_first() {
    let layers = |count: usize| "[[layer]]\nclass = 'ReLU'\n".repeat(count);
    let started = std::time::Instant::now();
    let error = parse(&format!("input = [8, 8, 1]\n{}", layers(100_000))).unwrap_err().to_string();
    assert!(error.contains("row 20002: more than 10000 layers"), "{error}");
    let text = format!("input = [8, 8, 1]\n{}", layers(9_998)) + "[[layer]]\nclass = 'Flatten'\n";
    assert_eq!(parse(&(text + "[[layer]]\nclass = 'Dense'\nunits = 3\n")).unwrap().layers.len(), 10_001);
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    let long = format!("input = [8, 8, 1]\n[[layer]]\nclass = 'Flatten'\nname = '{}'\n", "n".repeat(65_535));
    let error = parse(&long).unwrap_err().to_string();
    assert!(error.contains("row 2: the name of a layer has 65535 bytes") && error.len() < 400, "{error}");
    let many = format!("input = [8, 8, 1]\n[variables]\na = [{}]\n", "1, ".repeat(1_000));
    let error = parse(&(many + &"[[layer]]\nclass = 'ReLU'\nb = ['${a}']\n".repeat(5_000))).unwrap_err().to_string();
    assert!(error.contains("ReLU: it has no setting `b`"), "{error}");
}

#[test]
fn variables_are_values_that_can_be_set() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.toml");
    let layers = "[[layer]]\nclass = 'Conv2D'\nfilters = '${filters}'\nkernel_size = ['${side}', 3]\n\
        [[layer]]\nclass = 'Flatten'\n[[layer]]\nclass = 'Dense'\nunits = 3\n";
    std::fs::write(&path, format!("input = [8, 8, 1]\n[variables]\nfilters = 4\nside = 2\n{layers}")).unwrap();
    let shape = |given: &[(&str, i64)]| {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        graph(&path, None, &given).map(|g| g.nodes[0].params[0].shape.dims().to_vec()).map_err(|e| e.to_string())
    };
    assert_eq!(shape(&[]).unwrap(), [2, 3, 1, 4]);
    assert_eq!(shape(&[("filters", 7), ("side", 5)]).unwrap(), [5, 3, 1, 7]);
    for (given, words) in [
        (("filtres", 7), "no variable `filtres`; did you mean `filters`?"),
        (("x", 7), "[variables] has filters, side"),
        (("side", 9), "row 5: layer `conv2d`"),
        (("side", -1), "row 5"),
    ] {
        let error = shape(&[given]).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
    for (text, line, words) in [
        (layers.to_owned(), 2, "no table [variables]"),
        (format!("[variables]\nfilters = 4\nside = 2\nunits = 3\n{layers}"), 1, "no layer uses the variable `units`"),
        (format!("[variables]\nfilters = 4\nside = 2\n{layers}name = 'a${{side}}'"), 11, "stands alone"),
    ] {
        let error = parse(&format!("input = [8, 8, 1]\n{text}")).unwrap_err().to_string();
        assert!(error.contains(&format!("row {line}:")) && error.contains(words), "{text}: {error}");
    }
}

#[test]
fn a_file_is_the_network_that_it_describes() {
    let text = "input = [8, 8, 1]\n\
        [[layer]]\nclass = 'Conv2D'\nfilters = 4\nkernel-size = [3, 3]\npadding = 'same'\nactivation = 'relu'\nname = 'first'\n\
        [[layer]]\nclass = 'BatchNormalization'\n\
        [[layer]]\nclass = 'Add'\ninputs = ['first', 'batch_normalization']\n\
        [[layer]]\nclass = 'Activation'\nactivation = 'tanh'\n\
        [[layer]]\nclass = 'GlobalAveragePooling2D'\n\
        [[layer]]\nclass = 'Dense'\nunits = 5\nactivation = 'softmax'\n";
    let graph = parse(text).unwrap().with_classes(3).unwrap().graph("net").unwrap();
    let summary = Summary::new(&graph);
    let rows: Vec<_> = summary.layers.iter().map(|l| (l.name.as_str(), l.class, l.parameters)).collect();
    assert_eq!(
        rows,
        [
            ("first", "Conv2D", 40),
            ("batch_normalization", "BatchNormalization", 16),
            ("add", "Add", 0),
            ("activation", "Activation", 0),
            ("global_average_pooling2d", "GlobalAveragePooling2D", 0),
            ("dense", "Dense", 15),
        ]
    );
    // The sum reads the convolution after its activation.
    let add = graph.nodes.iter().find(|n| n.name == "add").unwrap();
    assert_eq!(graph.nodes[add.inputs[0] - 1].name, "first/relu");
    assert_eq!(graph.nodes[add.inputs[1] - 1].name, "batch_normalization");
}

#[test]
fn a_softmax_is_a_layer_but_at_the_end() {
    let body = "input = [8, 8, 6]\n\
        [[layer]]\nclass = 'GroupNormalization'\ngroups = 3\nname = 'norm'\n\
        [[layer]]\nclass = 'GlobalAveragePooling2D'\n\
        [[layer]]\nclass = 'Dense'\nunits = 6\nactivation = 'softmax'\nname = 'weights'\n\
        [[layer]]\nclass = 'Multiply'\ninputs = ['norm', 'weights']\n\
        [[layer]]\nclass = 'LayerNormalization'\naxis = [1, 2, 3]\ncenter = false\n\
        [[layer]]\nclass = 'Flatten'\n\
        [[layer]]\nclass = 'Dense'\nunits = 4\nname = 'scores'\n";
    for end in [
        "",
        "activation = 'softmax'",
        "[[layer]]\nclass = 'Softmax'",
        "[[layer]]\nclass = 'Activation'\nactivation = 'softmax'",
    ] {
        let graph = parse(&format!("{body}{end}\n")).unwrap().with_classes(3).unwrap().graph("net").unwrap();
        let names: Vec<&str> = graph.nodes.iter().map(|n| n.name.as_str()).collect();
        let rest = ["weights", "weights/softmax", "multiply", "layer_normalization", "flatten", "scores"];
        assert_eq!((&names[2..], graph.output().dims()), (&rest[..], &[3][..]), "{end}");
        // The product reads the weights after their softmax.
        assert_eq!(graph.nodes[4].inputs, [1, 4]);
        let counts: Vec<_> = Summary::new(&graph).layers.iter().map(|l| l.parameters).collect();
        assert_eq!(counts, [12, 0, 42, 0, 384, 0, 384 * 3 + 3], "{end}");
    }
    let early = format!("{body}[[layer]]\nclass = 'Softmax'\ninputs = ['flatten']\n");
    let text = parse(&early).unwrap_err().to_string();
    assert!(
        text.contains("the softmax `softmax` at the end reads `flatten`, not the layer before it, `scores`"),
        "{text}"
    );
}

#[test]
fn a_separable_convolution_is_one_layer() {
    let text = "input = [8, 8, 3]\n\
        [[layer]]\nclass = 'SeparableConv2D'\nfilters = 5\nkernel_size = 3\nstrides = 2\nactivation = 'relu'\nname = 'sep'\n\
        [[layer]]\nclass = 'GlobalMaxPooling2D'\ninputs = ['sep']\n\
        [[layer]]\nclass = 'Dense'\nunits = 2\n";
    let graph = parse(text).unwrap().graph("net").unwrap();
    let names: Vec<&str> = graph.nodes.iter().map(|n| n.name.as_str()).collect();
    assert_eq!(names, ["sep", "sep/conv2d", "sep/relu", "global_max_pooling2d", "dense"]);
    assert_eq!(graph.nodes[3].inputs, [3]);
    let rows: Vec<_> = Summary::new(&graph).layers.iter().map(|l| (l.class, l.parameters)).collect();
    assert_eq!(rows, [("SeparableConv2D", 27 + 15 + 5), ("GlobalMaxPooling2D", 0), ("Dense", 12)]);
    let typo = text.replace("strides", "stride");
    assert!(parse(&typo).unwrap_err().to_string().contains("did you mean `strides`"));
}

#[test]
fn dilation_and_groups_are_settings_of_convolutions() {
    let layer = |class: &str, settings: &str| format!("[[layer]]\nclass = '{class}'\n{settings}\n");
    let end = layer("Flatten", "") + &layer("Dense", "units = 2");
    let net = |layers: &[String]| format!("input = [8, 9, 4]\n{}{end}", layers.concat());
    let grouped = "filters = 8\nkernel_size = 3\ngroups = 4\nstrides = 2\npadding = 'same'";
    let text = net(&[
        layer("Conv2D", "filters = 6\nkernel_size = 3\ndilation_rate = 2\nactivation = 'relu'\nname = 'a'"),
        layer("DepthwiseConv2D", "kernel_size = 2\ndilation_rate = [3, 2]\ndepth_multiplier = 2"),
        layer("SeparableConv2D", "filters = 4\nkernel_size = 3\ndilation-rate = 9\npadding = 'same'"),
        layer("Conv2D", grouped),
    ]);
    let read = parse(&text).unwrap();
    let graph = read.graph("net").unwrap();
    let rows: Vec<_> = Summary::new(&graph).layers.into_iter().map(|l| (l.class, l.output, l.parameters)).collect();
    // As Keras counts: a filter meets the channels of its group.
    let wanted = [
        ("Conv2D", vec![4, 5, 6], 6 * 4 * 9 + 6),
        ("DepthwiseConv2D", vec![1, 3, 12], 12 * 4 + 12),
        ("SeparableConv2D", vec![1, 3, 4], 12 * 9 + 12 * 4 + 4),
        ("Conv2D", vec![1, 2, 8], 8 * 9 + 8),
    ];
    assert_eq!(rows[..4], wanted);
    assert_eq!(graph.nodes[0].op.flops(&[graph.input()]), 2 * 4 * 5 * 6 * 36);
    let again: Description = serde_json::from_str(&serde_json::to_string(&read).unwrap()).unwrap();
    assert_eq!(format!("{:?}", again.graph("net").unwrap()), format!("{graph:?}"));
    for (class, settings, words) in [
        (
            "Conv2D",
            "filters = 6\nkernel_size = 3\ngroups = 4",
            "layer `conv2d` (general_conv2d): 4 input channels to 6 filters",
        ),
        ("Conv2D", "filters = 6\nkernel_size = 3\ndilation_rate = 4", "a dilation rate of 4 covers 9 pixels"),
        ("Conv2D", "filters = 6\nkernel_size = 3\ndilation_rate = 2\nstrides = 2", "only one of the two may be over 1"),
        ("Conv2D", "filters = 6\nkernel_size = 3\ndilation_rate = 0", "at least 1"),
        ("Conv2D", "filters = 6\nkernel_size = 3\ndilation = 2", "did you mean `dilation_rate`"),
        ("Conv2D", "filters = 6\nkernel_size = 3\ngroup = 2", "did you mean `groups`"),
        (
            "DepthwiseConv2D",
            "kernel_size = 3\ndilation_rate = 2\nstrides = 2",
            "`depthwise_conv2d` (depthwise_conv2d): strides of 2 x 2",
        ),
        ("SeparableConv2D", "filters = 6\nkernel_size = 3\ndilation_rate = 'two'", "`dilation_rate` is \"two\""),
    ] {
        let error = parse(&net(&[layer(class, settings)])).unwrap_err().to_string();
        assert!(error.contains("row 2:") && error.contains(words), "{error}");
    }
}

#[test]
fn errors_name_line_and_nearest() {
    let input = "input = [8, 8, 1]\n";
    let dense = "[[layer]]\nclass = 'Flatten'\n[[layer]]\nclass = 'Dense'\nunits = 3\n";
    for (text, line, words) in [
        ("input = [8, 8]\n".to_owned() + dense, 1, "2 sizes"),
        (format!("{input}[[layer]\n"), 2, "row 2"),
        (format!("{input}[[layers]]\nclass = 'Add'\n"), 2, "layer"),
        (format!("{input}\n[[layer]]\nclass = 'Conv2'\n"), 3, "Conv2D"),
        (format!("{input}[[layer]]\nclass = 'Conv2D'\nfilters = 3\nkernal_size = 3\n"), 2, "kernel_size"),
        (
            format!("{input}[[layer]]\nclass = 'Conv2D'\nfilters = 3\nkernel_size = 3\nfilter = 3\n"),
            2,
            "did you mean `filters`",
        ),
        (format!("{input}[[layer]]\nclass = 'Flatten'\nactivatoin = 'relu'\n"), 2, "`activation`"),
        (format!("{input}[[layer]]\nunits = 3\n"), 2, "without a `class`"),
        (format!("{input}{dense}[[layer]]\nclass = 'Dense'\nunits = 3\ninputs = ['flaten']\n"), 7, "`flatten`"),
        (format!("{input}{dense}[[layer]]\nclass = 'Dense'\nunits = 3\nname = 'dense'\n"), 7, "another layer"),
        (format!("{input}{dense}[[layer]]\nclass = 'MaxPooling2D'\n"), 7, "max_pool2d"),
        (format!("{input}[[layer]]\nclass = 'Conv2D'\nfilters = 3\nkernel_size = 9\n"), 2, "window of 9"),
        (
            format!("{input}[[layer]]\nclass = 'ReLU'\nactivation = 'sigmiod'\n"),
            2,
            "did you mean `sigmoid`? (known are ",
        ),
        (format!("{input}[[layer]]\nclass = 'Activation'\nactivation = 'gelo'\n"), 2, "tanh, linear)"),
        (format!("{input}[[layer]]\nclass = 'ReLU'\n"), 2, "[classes]"),
    ] {
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.contains(&format!("row {line}:")) && error.contains(words), "{text}: {error}");
    }
    assert!(parse(input).is_err());
    assert_eq!((name_of("nets/tiny.toml"), name_of("fer7-small")), ("tiny", "fer7-small"));
}
