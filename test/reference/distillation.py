"""Reference numbers for losses that distil: from plain formulas in float64, checked against TRL's own code.

Writes test/reference/distillation.json. Every loss is there with its gradient by autograd. Inputs are multiples of 1/64,
so that they are the same in JSON, float32 and float64; numbers made of them have nine significant digits, the teacher's
log-probabilities all of theirs, so that their tail can be had from them.

    python -m venv .venv && .venv/bin/pip install trl==1.16.0 torch==2.9.1 transformers==5.24.0
    .venv/bin/python test/reference/distillation.py

p is the teacher, q the student, both softmax of logits at temperature 1. A row is one token to predict. `row_losses` are
of all rows; unless said otherwise `loss` is the mean over rows whose mask is 1, and `gradient` is d loss / d student
logits. TRL's loss and gradient must agree: to 1e-9 where it computes in float64, and to 1e-6 in float32, but for small
tails (below).

`gkd`: generalised Jensen-Shannon divergence, beta KL(p||m) + (1 - beta) KL(q||m) with m = beta p + (1 - beta) q; at beta 0
it is KL(p||q) and at 1 KL(q||p), which are not limits of that. TRL: GKDTrainer.generalized_jsd_loss, and the chunked
kernel of DistillationTrainer with the identity as both heads. What TRL 1.16 divides the sum by: called without a count,
the number of labels other than -100, at least 1; its trainer passes num_items_in_batch, the number of such labels in all
batches of the optimizer step, which transformers takes before GKDTrainer puts on-policy completions in the place of the
data set's. It clamps nothing, and does not multiply by the square of the temperature (GKDTrainer's is for sampling only).

`top_k_with_tail`: S is the teacher's k best tokens, p stays of the full vocabulary, `tail_probabilities` are 1 - sum_S p.
  tail_bucket: the divergence of `gkd` over k + 1 events, the last of them all tokens outside S, for p and for q. TRL: at
    beta 0 ServerDistillationTrainer._compute_server_forward_kl_loss with loss_add_tail; else that module's functions for
    the tail, the divergence and the mean (the trainer itself wants k 1 unless beta is 0). It skips labels of -100 and
    divides by the number of others in this batch, at least 1. It clamps log sum_S to -1e-7 at most, so a smaller tail
    counts as 1e-7 and has no gradient: `below_trl_clamp` has such rows, with the plain numbers and TRL's, which differ. In
    float32, 1 - sum_S loses digits well before that: where q's tail is 1.3e-6 (the last row, k 5) a gradient of TRL's is
    off by 1e-3.
  both_renormalised: sum_S p' log(p' / q'), both made to sum to one over S. TRL: the same method without loss_add_tail.
  renormalised: sum_S p' log(p' / q), p' made to sum to one over S, q not. TRL has nothing like it: the plain formula only.
  raw: sum_S p log(p / q) with nothing for the tail; can be negative. TRL has nothing like it: the plain formula only.

`kd`: alpha (-log q[label]) + (1 - alpha) tail_bucket at beta 0. The loss is sum (weight x row loss) / sum (weight),
weighted by `mask` or by `weights`. TRL has no such mixture: with the mask, torch's cross_entropy and TRL's tail_bucket are
mixed.

`grpo`: loss and d loss / d log-probability of each token. r = exp(log_probability - old), for level sequence exp of that
difference's mean over the completion. A token's loss is -min(r A, clip(r, 1 - epsilon, 1 + epsilon_high) A) + beta kl,
with kl = exp(d) - d - 1 and d = reference - log_probability; bias_correction multiplies kl by r, whose gradient counts
there (TRL's use_bias_correction_kl, on unless turned off). The mean: grpo over a completion's tokens, then over
completions; bnpo over all tokens; dapo divides the sum by num_items_in_batch, the tokens of the whole optimizer step;
dr_grpo by completions x max_completion_length. TRL: GRPOTrainer._compute_loss on a bare object, with a model that returns
the log-probabilities.
"""

import collections
import contextlib
import json
import os
import pathlib
import re
import types

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"

import torch
import torch.nn.functional as F
import transformers
import trl
from trl.experimental.gkd import GKDTrainer
from trl.experimental.server_distillation import ServerDistillationTrainer, server_distillation_trainer as server
from trl.trainer.distillation_trainer import _chunked_divergence_loss
from trl.trainer.grpo_trainer import GRPOTrainer

torch.set_num_threads(1)
random = torch.Generator().manual_seed(1)
normal = lambda *shape: torch.randn(*shape, generator=random, dtype=torch.float64)
exact = lambda x: (x * 64).round() / 64
worst = collections.Counter()


def gradient(loss, at):
    at = at.clone().requires_grad_()
    value = loss(at)
    return value.detach(), torch.autograd.grad(value, at)[0]


def agree(name, plain, theirs, at, single=1e-6):
    """TRL's loss and gradient, in double and in single precision, are the plain formula's."""
    ours = gradient(plain, at)
    for dtype, limit in ((torch.float64, 1e-9), (torch.float32, single)):
        got = gradient(theirs, at.to(dtype))
        difference = max((a - b).abs().max().item() for a, b in zip(ours, got))
        assert difference < limit, f"{name}, {dtype}: {difference}"
        worst[name, dtype] = max(worst[name, dtype], difference)


# Rows: ordinary, sharp and wrong, flat, sharp, the teacher's tail is tiny, the student's is
student = exact(normal(6, 11) * torch.tensor([[1.0], [4], [0.25], [3], [1], [1]], dtype=torch.float64))
teacher = exact(normal(6, 11) * torch.tensor([[1.5], [4], [0.5], [0.5], [1], [1]], dtype=torch.float64))
teacher[3] += student[3]
teacher[4, 5:] -= 12
student[5] = exact(teacher[5] + normal(11) / 2)
student[5, teacher[5].argsort()[:6]] -= 11
labels = torch.cat([teacher[:3].argmax(1), torch.tensor([0, 2, 7])])
mask = torch.tensor([1, 1, 1, 0, 1, 1])
weights = torch.tensor([1, 0.5, 2, 1, 0, 0.25], dtype=torch.float64)
trl_labels = labels.masked_fill(mask == 0, -100)
over = lambda rows, weight: (rows * weight).sum() / weight.sum()


def divergence(p, q, beta):
    """Of log-probabilities, for each row."""
    kl = lambda a, b: (a.exp() * (a - b)).sum(-1)
    if beta in (0, 1):
        return kl(q, p) if beta else kl(p, q)
    m = (beta * p.exp() + (1 - beta) * q.exp()).log()
    return beta * kl(p, m) + (1 - beta) * kl(q, m)


def case(rows, weight=mask, **fields):
    loss, slope = gradient(lambda x: over(rows(x), weight), student)
    return dict(fields, row_losses=rows(student).tolist(), loss=loss.item(), gradient=slope.tolist())


gkd = []
for beta in (0, 0.1, 0.5, 0.9, 1):
    rows = lambda x: divergence(teacher.log_softmax(-1), x.log_softmax(-1), beta)
    plain = lambda x: over(rows(x), mask)
    direct = lambda x, **options: GKDTrainer.generalized_jsd_loss(
        x[None], teacher[None].to(x.dtype), labels=trl_labels[None], beta=beta, **options)
    agree("gkd", plain, direct, student)
    agree("gkd", lambda x: plain(x) * mask.sum() / 8, lambda x: direct(x, num_items_in_batch=8), student)
    eye = torch.eye(11, dtype=torch.float32)  # its kernel is in single precision whatever the inputs
    chunked = gradient(lambda x: _chunked_divergence_loss(x[None], teacher[None].float(), eye, eye, mask[None], beta)[0],
                       student.float())
    assert max((a - b).abs().max() for a, b in zip(gradient(plain, student), chunked)) < 1e-6
    gkd.append(case(rows, beta=beta))


def events(logits, ids):
    """Log-probabilities of the tokens and, last, of all others."""
    q = logits.log_softmax(-1)
    others = torch.ones_like(q, dtype=torch.bool).scatter(-1, ids, False)
    return torch.cat([q.gather(-1, ids), q[others].view(*q.shape[:-1], -1).logsumexp(-1, keepdim=True)], -1)


def trl_tail(x, teacher, ids, labels, beta=0, tail=True):
    q, p = x.log_softmax(-1)[None], teacher.to(x.dtype).log_softmax(-1).gather(-1, ids)[None]
    if beta == 0:
        trainer = object.__new__(ServerDistillationTrainer)
        trainer.loss_add_tail = tail
        return trainer._compute_server_forward_kl_loss(
            dict(topk_logprobs=p, topk_token_ids=ids[None]), q, labels[None])
    valid = torch.ones_like(p, dtype=torch.bool)
    q, support = server._add_tail_bucket(q.gather(-1, ids[None]), valid)
    p, _ = server._add_tail_bucket(p, valid)
    jsd = server._jsd_divergence(q, p, beta, support)
    return ServerDistillationTrainer._reduce_divergence_loss(jsd, labels[None] != -100)


top_k, kd = dict(teacher=[], cases=[]), []
for k in (3, 5):
    ids = teacher.topk(k).indices
    assert (teacher.sort(descending=True).values.diff()[:, :k] != 0).all(), "a tie among the best"
    p, q = events(teacher, ids), lambda x: x.log_softmax(-1).gather(-1, ids)
    top_k["teacher"].append(dict(k=k, ids=ids.tolist(), log_probabilities=p[:, :k].tolist(),
                                 tail_probabilities=p[:, k].exp().tolist()))
    for beta in (0, 0.5, 1):
        rows = lambda x: divergence(p, events(x, ids), beta)
        agree("tail_bucket", lambda x: over(rows(x), mask), lambda x: trl_tail(x, teacher, ids, trl_labels, beta),
              student, single=1e-2)
        top_k["cases"].append(case(rows, k=k, form="tail_bucket", beta=beta))
    ones = p[:, :k].log_softmax(-1)
    both = lambda x: divergence(ones, q(x).log_softmax(-1), 0)
    agree("both_renormalised", lambda x: over(both(x), mask),
          lambda x: trl_tail(x, teacher, ids, trl_labels, tail=False), student)
    top_k["cases"] += [
        case(both, k=k, form="both_renormalised"),
        case(lambda x: divergence(ones, q(x), 0), k=k, form="renormalised"),
        case(lambda x: divergence(p[:, :k], q(x), 0), k=k, form="raw"),
    ]

    for alpha in (0, 0.3, 1):
        rows = lambda x: (alpha * -x.log_softmax(-1).gather(-1, labels[:, None])[:, 0]
                          + (1 - alpha) * divergence(p, events(x, ids), 0))
        agree("kd", lambda x: over(rows(x), mask),
              lambda x: alpha * F.cross_entropy(x, trl_labels) + (1 - alpha) * trl_tail(x, teacher, ids, trl_labels),
              student, single=1e-2)
        for name, weight in dict(mask=mask, weights=weights).items():
            kd.append(case(rows, weight, k=k, alpha=alpha, weighted_by=name))

# The teacher's tail is below TRL's clamp, then the student's, then both
small = torch.tensor([[0.0] * 4 + [20] * 7, [0] * 11, [0] * 4 + [20] * 7], dtype=torch.float64)
below_teacher = exact(normal(3, 11)) - small
below_student = exact(normal(3, 11)) - small.roll(1, 0)
below_student[2] -= small[2]
below_teacher[1, 4:] -= 4
ids = below_teacher.topk(4).indices
labels3 = torch.zeros(3, dtype=torch.long)
plain = gradient(lambda x: divergence(events(below_teacher, ids), events(x, ids), 0).mean(), below_student)
clamped = gradient(lambda x: trl_tail(x, below_teacher, ids, labels3), below_student)
assert (ids < 4).all()
below = dict(
    k=4, beta=0, student_logits=below_student.tolist(), teacher_logits=below_teacher.tolist(), ids=ids.tolist(),
    log_probabilities=events(below_teacher, ids)[:, :4].tolist(),
    teacher_tail_probabilities=events(below_teacher, ids)[:, 4].exp().tolist(),
    student_tail_probabilities=events(below_student, ids)[:, 4].exp().tolist(),
    row_losses=divergence(events(below_teacher, ids), events(below_student, ids), 0).tolist(),
    loss=plain[0].item(), gradient=plain[1].tolist(),
    trl_row_losses=[trl_tail(below_student[[i]], below_teacher[[i]], ids[[i]], labels3[[i]]).item() for i in range(3)],
    trl_loss=clamped[0].item(), trl_gradient=clamped[1].tolist(),
)

# Two groups, of three and of four completions
EPSILON, EPSILON_HIGH, MAX_COMPLETION_LENGTH, NUM_ITEMS_IN_BATCH = 0.2, 0.28, 9, 37
groups, lengths = [0, 0, 0, 1, 1, 1, 1], torch.tensor([5, 3, 4, 2, 6, 4, 3])
advantages = torch.tensor([1.25, -0.75, -0.5, 1, -1.5, 0, 0.5], dtype=torch.float64)
drift = torch.tensor([[0.4], [-0.4], [0.25], [-0.5], [0.4], [0.2], [0.1]], dtype=torch.float64)  # for clipped sequences
tokens = (torch.arange(6) < lengths[:, None]).long()
logps = exact(-(0.6 * normal(7, 6)).exp()) * tokens
old = exact(logps - drift - 0.3 * normal(7, 6)) * tokens
reference = exact(logps + 0.4 * normal(7, 6)) * tokens
ragged = lambda x: [row[:n] for row, n in zip(x.tolist(), lengths)]


def ratios(x, level):
    difference = x - old.to(x.dtype)
    return (((difference * tokens).sum(1) / lengths)[:, None] if level == "sequence" else difference).exp()


def grpo_loss(x, loss_type, level, beta, bias_correction):
    r, a = ratios(x, level), advantages[:, None]
    d = reference - x
    kl = (d.exp() - d - 1) * (r if bias_correction else 1)
    losses = (-torch.minimum(r * a, r.clamp(1 - EPSILON, 1 + EPSILON_HIGH) * a) + beta * kl) * tokens
    if loss_type == "grpo":
        return (losses.sum(1) / lengths).mean()
    divisors = dict(bnpo=lengths.sum(), dapo=NUM_ITEMS_IN_BATCH, dr_grpo=len(lengths) * MAX_COMPLETION_LENGTH)
    return losses.sum() / divisors[loss_type]


def trl_grpo(x, loss_type, level, beta, bias_correction):
    trainer = object.__new__(GRPOTrainer)
    same = lambda value, **_: value
    vars(trainer).update(
        loss_type=loss_type, importance_sampling_level=level, beta=beta, epsilon_low=EPSILON, epsilon_high=EPSILON_HIGH,
        max_completion_length=MAX_COMPLETION_LENGTH, current_gradient_accumulation_steps=1, top_entropy_quantile=1.0,
        off_policy_mask_threshold=None, aux_loss_enabled=False, use_vllm=False, _entropy_bonus_enabled=False,
        args=types.SimpleNamespace(use_bias_correction_kl=bias_correction, delta=None, steps_per_generation=1),
        accelerator=types.SimpleNamespace(autocast=contextlib.nullcontext, gather=same, reduce=same,
                                          num_processes=1, is_main_process=False),
        model=types.SimpleNamespace(training=True),
        _metrics=collections.defaultdict(lambda: collections.defaultdict(list)),
    )
    one = torch.ones(7, 1, dtype=torch.long)
    said = torch.cat([one.to(x.dtype), x], 1)  # of the prompt's token, then of the completion's
    model = lambda **_: types.SimpleNamespace(log_probs=said, entropy=torch.zeros_like(said))
    return trainer._compute_loss(model, dict(
        prompt_ids=one, prompt_mask=one, completion_ids=tokens, completion_mask=tokens, advantages=advantages.to(x.dtype),
        old_per_token_logps=old.to(x.dtype), ref_per_token_logps=reference.to(x.dtype),
        num_items_in_batch=torch.tensor(NUM_ITEMS_IN_BATCH)))


for level in ("token", "sequence"):  # every side of the clip is there
    r, a = ratios(logps, level).expand(7, 6)[tokens == 1], advantages[:, None].expand(7, 6)[tokens == 1]
    for sign in (-1, 1):
        for side in (r < 1 - EPSILON, r > 1 + EPSILON_HIGH, (r > 1 - EPSILON) & (r < 1 + EPSILON_HIGH)):
            assert (side & (a * sign > 0)).any(), (level, sign)

grpo = []
for loss_type in ("grpo", "bnpo", "dapo", "dr_grpo"):
    for level in ("token", "sequence"):
        for beta, bias_correction in ((0, False), (0.04, False), (0.04, True)):
            options = (loss_type, level, beta, bias_correction)
            agree("grpo", lambda x: grpo_loss(x, *options), lambda x: trl_grpo(x, *options), logps)
            loss, slope = gradient(lambda x: grpo_loss(x, *options), logps)
            assert (slope * (1 - tokens) == 0).all()
            grpo.append(dict(loss_type=loss_type, importance_sampling_level=level, beta=beta,
                             bias_correction=bias_correction, loss=loss.item(), gradient=ragged(slope)))

out = dict(
    made_with=f"torch {torch.__version__}, transformers {transformers.__version__}, trl {trl.__version__}",
    inputs=dict(student_logits=student.tolist(), teacher_logits=teacher.tolist(), labels=labels.tolist(),
                mask=mask.tolist(), weights=weights.tolist()),
    gkd=dict(cases=gkd),
    top_k_with_tail=dict(top_k, below_trl_clamp=below),
    kd=dict(cases=kd),
    grpo=dict(
        inputs=dict(
            epsilon=EPSILON, epsilon_high=EPSILON_HIGH, max_completion_length=MAX_COMPLETION_LENGTH,
            num_items_in_batch=NUM_ITEMS_IN_BATCH,
            completions=[
                dict(group=groups[i], advantage=advantages[i].item(), log_probabilities=now, old_log_probabilities=before,
                     reference_log_probabilities=other)
                for i, (now, before, other) in enumerate(zip(ragged(logps), ragged(old), ragged(reference)))
            ]),
        cases=grpo),
)


def rounded(x):
    if isinstance(x, dict):
        return {key: value if key == "log_probabilities" else rounded(value) for key, value in x.items()}
    if isinstance(x, list):
        return [rounded(value) for value in x]
    return float(f"{x:.9g}") + 0.0 if isinstance(x, float) else x  # + 0.0: no -0


text = json.dumps(rounded(out), indent=1, allow_nan=False)
text = re.sub(r"\[[^\[\]{}]*\]", lambda found: re.sub(r"\s+", "", found[0]), text)  # a row of numbers on a line
pathlib.Path(__file__).with_suffix(".json").write_text(text + "\n")
for (name, dtype), difference in sorted(worst.items(), key=str):
    print(f"{name}, {dtype}: TRL differs by {difference:.1e} at most")
for name in ("row_losses", "trl_row_losses"):
    print(name, [f"{x:.6g}" for x in below[name]])
print("gradients differ by", (plain[1] - clamped[1]).abs().max().item(), "below the clamp;", len(text), "bytes")
