"""Every text of the report in English; `texts` says how they are written."""

from __future__ import annotations

REPORT_ENGLISH: dict[str, str | tuple[str, str]] = {
    # The result
    "title": "{run} · photograft report",
    "kicker": "photograft report",
    "right": "named correctly",
    "right.few": "{correct} of {n}",
    "result.none": "No photo could be judged, so there is no score.",
    "result.test": (
        "On {n:,} photo it had never seen, this model named the class correctly for {share} of 100 photos "
        "({low} to {high} with 95 % confidence).",
        "On {n:,} photos it had never seen, this model named the class correctly for {share} of 100 photos "
        "({low} to {high} with 95 % confidence).",
    ),
    "result.test.few": (
        "On the {n} photo it had never seen, this model named the class of {correct} correctly.",
        "Of only {n} photos it had never seen, this model named the class of {correct} correctly.",
    ),
    "result.folds": "In cross-validation, where every photo is judged by a model trained without it, {share} of "
    "100 photos "
    "were named correctly ({n:,} photos; {low} to {high} with 95 % confidence).",
    "result.folds.few": "In cross-validation, where every photo is judged by a model trained without it, "
    "{correct} of {n} photos were named correctly.",
    "result.other": "On {n:,} photos ({what}), this model named the class correctly for {share} of 100 photos "
    "({low} to {high} with 95 % confidence).",
    "result.other.few": "Of only {n} photos ({what}), this model named the class of {correct} correctly.",
    "result.few": "That is too few to tell: the true share may lie anywhere between {low} and {high} of 100.",
    "weakest.recall": "It is weakest at “{name}”: it found {correct} of {of}, and most often took the others "
    "for “{other}”.",
    "weakest.precision": "It is weakest at “{name}”: of {of} photos given that name {correct} were right, "
    "and the others were most often “{other}”.",
    "weakest.never": "It never recognised {names}.",
    "weakest.never.many": "It never recognised {n:,} of the {of:,} classes.",
    "weakest.none": "It made no mistake on any class.",
    # What the number rests on
    "contents": "On this page",
    "question.use": "Can I use it?",
    "question.fails": "Where does it fail?",
    "question.do": "What do I do next?",
    "question.made": "How was it made?",
    "rests": "What this number rests on",
    "rests.photos": "Photos judged",
    "rests.photos.test": "{n:,} of {used:,} usable photos, set aside before training and looked at only at the end.",
    "rests.photos.folds": "{n:,} of {used:,} usable photos, each judged once, in one of {folds} rounds, by a "
    "model that "
    "had not been trained on it. No separate test part was held back.",
    "rests.photos.other": "{n:,} photos ({what}).",
    "rests.interval": "How sure",
    "rests.interval.text": "For photos of this kind the true share lies between {low} and {high}, with 95 % "
    "confidence (Wilson interval).",
    "rests.guess": "Compared with guessing",
    "rests.guess.text": "Always answering “{name}”, the most frequent class, would be right for {share}.",
    "rests.guess.equal": "Always giving the same answer would be right for at most {share}.",
    "rests.split": "How it was split",
    "rests.split.parts": "{train:,} photos for training, {val:,} for validation, {test:,} for the test.",
    "rests.split.leaked": (
        "{n:,} photo has a duplicate, or another photo of its group, in another part.",
        "{n:,} photos have a duplicate, or another photo of their group, in another part.",
    ),
    "rests.opened": "Test part opened",
    "rests.opened.text": ("Once, for this report.", "{n} times so far, across all runs."),
    "rests.opened.many": "{n} times so far, across all runs. Every look tempts one to choose what suits these "
    "very photos, "
    "so the score is likely to flatter.",
    "rests.calibration": "Stated probabilities",
    "rests.calibration.none": "Not calibrated.",
    "rests.calibration.softer": "Made more cautious (temperature {temperature:.2f}), fitted on {basis}.",
    "rests.calibration.sharper": "Made more confident (temperature {temperature:.2f}), fitted on {basis}.",
    "rests.calibration.same": "Left almost as they were (temperature {temperature:.2f}), fitted on {basis}.",
    "rests.calibration.folds": "out-of-fold predictions",
    "rests.calibration.val": "the validation photos",
    "rests.second": "Second opinion",
    "rests.second.agrees": "{what}: {share} on {n:,} photos ({low} to {high}), which agrees.",
    "rests.second.differs": "{what}: {share} on {n:,} photos ({low} to {high}), which differs by more than "
    "chance explains.",
    "rests.repeats": "How much hangs on the folds",
    "rests.repeats.text": "Cross-validated accuracy over {n} draws of the folds: {mean} on average, {low} the "
    "smallest, {high} the largest.",
    "what.test": "test",
    "what.test with leaks": "with the test photos that have a duplicate, or a photo of their group, in training",
    "what.out-of-fold": "cross-validation",
    "what.val": "validation",
    "what.validation": "validation",
    "what.test without leaks": "test without leaks",
    "notice": "Please note",
    # Classes
    "classes": "Class by class",
    "classes.lead": "Weakest first. Recall: of the photos of this class, the share that was found. Precision: "
    "of the photos "
    "given this name, the share that was right. F1 joins the two.",
    "classes.name": "Class",
    "classes.photos": "Photos",
    "classes.support": "Judged",
    "classes.precision": "Precision",
    "classes.recall": "Recall",
    "classes.f1": "F1",
    "classes.all": "All {n} classes",
    "classes.empty": "no photos, not judged",
    "classes.parts": "Photos per part",
    # Slices
    "slices": "Where it does better and worse",
    "slices.lead": "Accuracy by the values of a column, the lowest first; the upright line is the accuracy on all "
    "photos. A value is marked where its whole 95 % interval lies below that line; among many values one may be so by "
    "chance.",
    "slices.photos": "Photos",
    "slices.accuracy": "Accuracy",
    "slices.interval": "95 % interval",
    "slices.worse": "clearly lower",
    # Confusion
    "confusion": "What is taken for what",
    "confusion.lead": "Each row holds the photos of one true class, each column a given name. "
    "Blue on the diagonal is right, orange is wrong; darker is more of the row.",
    "confusion.pairs": "Most often confused",
    "confusion.pair": (
        "“{label}” taken for “{predicted}”: {n:,} photo",
        "“{label}” taken for “{predicted}”: {n:,} photos",
    ),
    "confusion.part": "The {shown} classes that are confused most; a row also holds photos given names that are "
    "not shown here.",
    "confusion.whole": "The whole map of all {n} classes",
    "confusion.huge": "With {n} classes the whole map is too large for a page: see confusion.csv and confusion.svg.",
    # Reliability
    "reliability": "Can its probabilities be believed?",
    "reliability.good": "Yes: stated and true shares differ by {gap} points on average. When it says 90 %, "
    "expect about "
    "90 right of 100.",
    "reliability.chance": "As far as {n:,} photos can tell, yes: stated and true shares differ by {gap} points "
    "on average, "
    "no more than chance explains.",
    "reliability.over": "Take them with a discount: on average it claims {gap} points more than it keeps "
    "({stated} stated, {true} right).",
    "reliability.under": "It is better than it says: on average it is right {gap} points more often than it claims "
    "({stated} stated, {true} right).",
    "reliability.mixed": "Only roughly: stated and true shares differ by {gap} points on average, in both directions.",
    "reliability.few": "With {n} photos this cannot be told yet; take the picture as a hint.",
    "reliability.none": "There is nothing to show without judged photos.",
    "reliability.reading": "Dots on the dashed line are honest; below it the model claims too much. Lines show "
    "95 % confidence, "
    "bars how many photos there are.",
    # Mistakes
    "mistakes": "The worst mistakes",
    "mistakes.lead": (
        "The only one.",
        "All {n} of them, the most confident first. Some may be wrong labels rather than wrong answers: worth a look.",
    ),
    "mistakes.first": "The {shown} most confident of {n:,}. Some may be wrong labels rather than wrong answers: "
    "worth a look.",
    "mistakes.more": ("1 more", "{n} more"),
    "mistakes.none": "There are none.",
    "mistakes.hidden": (
        "There is {n:,}; this report was set to show none.",
        "There are {n:,}; this report was set to show none.",
    ),
    "mistakes.label": "labelled",
    "mistakes.predicted": "named",
    "mistakes.photo": "Photo",
    "mistakes.missing": "no picture",
    "mistakes.alt": "Labelled {label}, named {predicted}",
    # Data
    "data": "What was found in the photos",
    "data.counts": "{found:,} files found, {used:,} used, {rejected:,} rejected.",
    "data.excluded": ("{n:,} was left out by edits.", "{n:,} were left out by edits."),
    "data.rejected": ("{n:,} file could not be used", "{n:,} files could not be used"),
    "data.rejected.remedy": "Replace or delete them. Training went on without them.",
    "issue.label_conflict": (
        "{n:,} set of photos with conflicting labels",
        "{n:,} sets of photos with conflicting labels",
    ),
    "issue.exact_duplicate": ("{n:,} photo that is there more than once", "{n:,} photos that are there more than once"),
    "issue.near_duplicate": (
        "{n:,} set of photos that are nearly the same",
        "{n:,} sets of photos that are nearly the same",
    ),
    "issue.other": "{kind}: {n:,}",
    "data.clean": "No damaged file, no duplicate, no conflicting label was found.",
    "data.more": ("and {n:,} more", "and {n:,} more"),
    "data.rest": ("{n:,} more", "{n:,} more"),
    "verdict.empty": "empty file",
    "verdict.not_an_image": "not an image",
    "verdict.unsupported_format": "unsupported format",
    "verdict.truncated": "cut off",
    "verdict.corrupt": "damaged",
    "verdict.too_many_pixels": "too many pixels",
    "verdict.too_large_file": "file too large",
    "verdict.timeout": "took too long",
    "verdict.unreadable": "cannot be read",
    # What to do next
    "next": "What to do next",
    "next.nothing": "Nothing stands out. Try the model on new photos from where it will be used: that is the "
    "test that counts.",
    "next.conflict": (
        "Settle {n:,} set of photos that are alike but carry different labels: the model cannot learn both.",
        "Settle {n:,} sets of photos that are alike but carry different labels: the model cannot learn both.",
    ),
    "next.leaked": (
        "Move {n:,} photo that has a duplicate (or another photo of its group) in another part, or set "
        "split.on_leak=drop: until then the score flatters.",
        "Move {n:,} photos that have duplicates (or other photos of their group) in another part, or set "
        "split.on_leak=drop: until then the score flatters.",
    ),
    "next.empty": "Add photos of {names}: there was none to judge by.",
    "next.small": (
        "Collect more photos of {names}: fewer than 50 are little to learn from.",
        "Collect more photos of {names}: fewer than 50 each are little to learn from.",
    ),
    "next.small.most": "Collect more photos: {n:,} of the {of:,} classes have fewer than {limit}, which is little to "
    "learn from.",
    "next.small.all": "Collect more photos: every class has fewer than {limit}, which is little to learn from.",
    "next.labels": (
        "Look at {n:,} label that is probably wrong: photograft review RUN.",
        "Look at the {n:,} labels that are probably wrong, the most doubtful first: photograft review RUN.",
    ),
    "next.labels.weak": (
        "Look at {n:,} label that the model doubts: photograft review RUN.",
        "Look at the first of the {n:,} labels that the model doubts: photograft review RUN.",
    ),
    "next.interval": "Test on more photos before relying on the score: it may be {width} points off either way. "
    "About {wanted:,} photos would bring that down to {target}.",
    "next.pair": "Look at photos of “{a}” and “{b}” side by side: {n:,} of {all:,} mistakes are between these two. "
    "Clearer photos of what tells them apart help most.",
    "next.weak": "Look at the {n} classes with recall below 80 %, first {names}: are their labels right and "
    "their photos alike?",
    "next.weak.most": "Look at how the photos are taken: {n:,} of the {of:,} classes have recall below 80 %, so what "
    "tells them apart may not be seen in them.",
    "next.worse": "If photos with {name} will come, add some, with their labels, to the training photos: at middle "
    "strength it costs {points} points of accuracy ({low} to {high}).",
    "next.strangers": "If other things that look like these may be photographed, add them as a class of their own: a "
    "class that was kept from the model looked stranger than the known ones in only {share} of 100 pairs.",
    "next.slice": "Add training photos with {column} “{value}”: of {n:,} such photos {share} are named correctly "
    "({low} to {high}), of all photos {all}.",
    "next.calibration": "Do not act on a stated probability alone: it is {gap} points off on average.",
    "next.opened": "Collect a fresh test part: this one has been opened {n} times.",
    "next.rejected": (
        "Replace or delete {n:,} file that could not be used.",
        "Replace or delete {n:,} files that could not be used.",
    ),
    "next.quality": "Train again with --quality good: it is usually more accurate and takes a few minutes.",
    "list.quoted": "“{name}”",
    "list.more": "{names} and {n} more",
    "list.and": "{names} and {last}",
    # Settings and versions
    "details": "Settings and versions",
    "details.scores": "All scores",
    "details.score": "Score",
    "details.model": "The model",
    "details.settings": "Settings as used",
    "details.versions": "Versions",
    "details.seconds": "Time",
    "seconds.value": "{seconds:.1f} s",
    "seconds.total": "all together",
    "score.n": "Photos",
    "score.accuracy": "Accuracy",
    "score.accuracy_low": "Accuracy, lower end of 95 %",
    "score.accuracy_high": "Accuracy, upper end of 95 %",
    "score.balanced_accuracy": "Balanced accuracy (mean recall)",
    "score.macro_f1": "Macro F1 (mean over classes)",
    "score.micro_f1": "Micro F1 (all decisions together)",
    "score.map": "mAP (mean average precision)",
    "score.log_loss": "Log loss",
    "score.ece": "Calibration error (ECE)",
    "score.ece_low": "Calibration error, lower end of 95 %",
    "score.ece_high": "Calibration error, upper end of 95 %",
    "score.top5": "Top-5 accuracy",
    "score.auroc": "AUROC",
    "score.average_precision": "Average precision",
    "score.positive": "Positive class",
    "model.backbone": "Pretrained network",
    "model.licence": "Licence of its weights",
    "model.px": "Input size in pixels",
    "model.embedding": "Features",
    "model.crop": "Crop",
    "model.views": "Views per photo",
    "model.strength": "L2 strength chosen",
    "model.graft": "Trained part",
    "model.refit": "Shipped head trained on",
    "model.cut": "Trained from",
    "model.trained": "Trained",
    "model.batchnorm": "BatchNorm",
    "model.best_epoch": "Best epoch",
    "model.quality": "Quality level",
    "part.train": "training",
    "part.val": "validation",
    "part.test": "test",
    # Figures
    "figure.confusion": "Confusion matrix: rows are true classes, columns are predicted classes",
    "figure.cell": "{label} → {predicted}: {n:,} of {total:,} ({share})",
    "figure.true": "true class",
    "figure.predicted": "named",
    "figure.reliability": "Reliability: stated probability against share that was right",
    "figure.bin": (
        "stated {low} to {high}: {n:,} photo, {share} right",
        "stated {low} to {high}: {n:,} photos, {share} right",
    ),
    "figure.stated": "stated probability",
    "figure.right": "share that was right",
    "figure.photos": "photos",
    "footer": "Made by photograft {version}. This page is one file: it holds everything it shows and asks "
    "nothing of the network.",
}
