//! A case on the reference: every output by name.

use crate::ops::{Case, HostBackward, HostForward, Input, Subject, augment, mean_squared_error, softmax_cross_entropy};
use crate::tensor::{HostTensor, Shape};

/// Named results of a case: `y`, `dx0`, `dkernel`, `moving_mean` ...
pub type Outputs = Vec<(String, HostTensor)>;

/// Per-sample shapes of a case's inputs.
pub(super) fn sample_shapes(inputs: &[Input]) -> Vec<Shape> {
    inputs.iter().map(|i| Shape::new(&i.shape.dims()[1..])).collect()
}

/// The output's shape, batch first.
pub(super) fn output_shape(op: &dyn crate::ops::Op, inputs: &[Input]) -> crate::Result<Shape> {
    let shapes = sample_shapes(inputs);
    let y = op.infer(&shapes.iter().collect::<Vec<_>>())?;
    Ok(y.with_batch(inputs[0].shape.dims()[0]))
}

/// Runs a case, forward and backward, on the reference. Running statistics that the pass does not move are listed as they were.
///
/// # Errors
/// Shapes that the op refuses (a mistake in the case list).
pub fn reference(case: &Case) -> crate::Result<Outputs> {
    match &case.subject {
        Subject::Loss { logits, targets, weights, smoothing } => {
            let (logits, n) = (logits.host(), weights.len() as f64);
            let targets = HostTensor::from_f32(logits.shape.clone(), targets);
            let r = softmax_cross_entropy::reference(&logits, &targets, weights, *smoothing);
            let metrics = HostTensor { shape: [4].into(), data: vec![r.loss, r.correct, r.mse, n] };
            Ok(vec![
                ("probabilities".into(), r.probabilities),
                ("dlogits".into(), r.dlogits),
                ("metrics".into(), metrics),
            ])
        }
        Subject::Regression { predictions, targets, weights } => {
            let (predictions, targets) = (predictions.host(), targets.host());
            let [n, _] = mean_squared_error::sizes(&predictions.shape, &targets.shape, &[weights.len()].into())?;
            let r = mean_squared_error::reference(&predictions, &targets, weights);
            let metrics = HostTensor { shape: [4].into(), data: vec![r.loss, 0.0, r.mse, n as f64] };
            Ok(vec![("dpredictions".into(), r.dpredictions), ("metrics".into(), metrics)])
        }
        Subject::Augment { op, x, rows } => Ok(vec![("y".into(), augment::reference(op, &x.host(), rows))]),
        Subject::Op { op, inputs, params, pass } => {
            let dy = Input::new(output_shape(op.as_ref(), inputs)?, case.cotangent).host();
            let xs: Vec<HostTensor> = inputs.iter().map(Input::host).collect();
            let ps: Vec<HostTensor> = params.iter().map(Input::host).collect();
            let (x, p): (Vec<&HostTensor>, Vec<&HostTensor>) = (xs.iter().collect(), ps.iter().collect());
            let specs = op.params(&sample_shapes(inputs).iter().collect::<Vec<_>>());
            let out = op.forward_reference(&HostForward { x: x.clone(), params: p.clone(), pass: *pass });
            let grads = op.backward_reference(&HostBackward {
                x,
                params: p,
                y: &out.y,
                saved: &out.saved,
                dy: &dy,
                pass: *pass,
            });
            let mut outputs = vec![("y".to_owned(), out.y)];
            let mut moved = out.statistics;
            for (i, value) in ps.iter().enumerate().filter(|(i, _)| !specs[*i].trainable) {
                if !moved.iter().any(|(m, _)| *m == i) {
                    moved.push((i, value.clone()));
                }
            }
            outputs.extend(moved.into_iter().map(|(i, t)| (specs[i].name.to_owned(), t)));
            outputs.extend(grads.dx.into_iter().enumerate().map(|(i, t)| (format!("dx{i}"), t)));
            let dparams = grads.dparams.into_iter().zip(&specs);
            outputs.extend(dparams.filter_map(|(t, spec)| Some((format!("d{}", spec.name), t?))));
            Ok(outputs)
        }
    }
}
