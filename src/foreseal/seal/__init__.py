"""What was said is fixed: signed entries in an append-only log, receipts, and their verification.

In reading order: `note`, `checkpoint`, `tiles` (public formats); `jcs`, `schema`, `entry`, `payload` (what is
said); `disk`, `lock`, `log`, `reader` (where it is kept); `receipt`, `audit`, `history`, `scoring`, `verify`
(what it proves).
"""
