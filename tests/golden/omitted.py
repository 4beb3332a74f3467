"""Every golden key that is not compared, with the reason. A key that is not listed here has to be met."""

from benchmark.checks.golden import Case, Omitted, Reason


def gmm_deviation(case: Case) -> float:
    """By how much the posterior of an unconverged mixture varies with the reference's own seed."""
    return case["outputs"].get("max_dev_over_6_seeds", 0.0) + 1e-6


def near_threshold(case: Case) -> bool:
    """A posterior is so near to the threshold that the reference's seed decides on which side it lies."""
    threshold, deviation = case["config"]["p_threshold"], gmm_deviation(case)
    return any(abs(p - threshold) <= deviation for p in case["outputs"]["prob_clean"])


def seeds_differ(case: Case) -> bool:
    return not case["outputs"].get("gmm_same_over_6_seeds", True)


def keeps_none(case: Case) -> bool:
    """The share to keep rounds to no sample: the official code then divides by zero or takes all, the suite one."""
    return int((1 - case["config"]["forget_rate"]) * len(case["inputs"]["labels"])) == 0


OMITTED = (
    # two networks
    Omitted("coteaching_plus", ("pure_ratio_1", "pure_ratio_2"), Reason.OFFICIAL_FAULT),
    *(
        Omitted(method, keys, Reason.UNDECIDED, when=keeps_none)
        for method, keys in {
            "coteaching": (
                *("loss1", "loss2", "corrected_loss1", "corrected_loss2", "grad_logits1", "grad_logits2"),
                *("kept_by_net1_used_for_net2", "kept_by_net2_used_for_net1", "pure_ratio_1", "pure_ratio_2"),
            ),
            "jocor": ("loss", "grad_logits1", "grad_logits2", "selected", "pure_ratio"),
            "codis": (
                *("loss1", "loss2", "pure_ratio_1", "pure_ratio_2"),
                *("kept_by_net1_used_for_net2", "kept_by_net2_used_for_net1"),
                *("grad_loss1_logits1", "grad_loss1_logits2", "grad_loss2_logits1", "grad_loss2_logits2"),
            ),
        }.items()
    ),
    # splits
    Omitted("dividemix_gmm", ("max_dev_over_6_seeds", "max_dev_float32", "mask_equal_float32"), Reason.TRIAL),
    Omitted("dividemix_gmm", ("clean_mask", "n_clean"), Reason.UNDECIDED, when=near_threshold),
    Omitted("fine", ("gmm_same_over_6_seeds", "gmm_sizes_over_seeds"), Reason.TRIAL),
    Omitted("fine", ("clean_gmm",), Reason.UNDECIDED, when=seeds_differ),
    Omitted("fine", ("scores_unnormalized", "clean_kmeans"), Reason.NOT_IN_SUITE),
    Omitted(
        "confident_learning",
        (
            *("confident_joint_raw", "joint", "py", "noise_matrix", "inverse_noise_matrix", "thresholds"),
            *("confident_joint_calibrated", "off_diagonal_indices", "num_label_issues", "issues_both"),
            *("issues_prune_by_class", "issues_confident_learning", "issues_predicted_neq_given"),
            *("issues_low_normalized_margin", "issues_low_self_confidence", "issues_ranked_self_confidence"),
            *("quality_normalized_margin", "quality_confidence_weighted_entropy"),
            "quality_adjusted_self_confidence",
        ),
        Reason.NOT_IN_SUITE,
    ),
    # transition matrices
    Omitted("anchor_T", ("norm_official",), Reason.OFFICIAL_FAULT),
    Omitted("anchor_T", ("probs_mutated_entries",), Reason.TRIAL),
    Omitted("T_norm", ("norm_official",), Reason.OFFICIAL_FAULT),
    # label noise
    *(
        Omitted(method, keys, Reason.DRAWN)
        for method, keys in {
            "symmetric_inclusive": ("touched",),
            "dividemix_noise": ("first_50",),
            "pmd": ("noisy",),
            "pdn_instance": ("flip_rate_first_10",),
        }.items()
    ),
    # metrics
    Omitted(
        "ece",
        (
            *(f"torchmetrics_l1_bins{bins}_{dtype}" for bins in (10, 15) for dtype in ("f32", "f64")),
            *("own_left_closed_bins10", "own_left_closed_bins15"),
        ),
        Reason.NOT_IN_SUITE,
        when=lambda case: case["config"]["kind"] == "boundary",
    ),
    Omitted("ece", ("torchmetrics_l2_bins15", "torchmetrics_max_bins15"), Reason.NOT_IN_SUITE),
)
