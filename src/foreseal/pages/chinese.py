"""Simplified Chinese for the pages. Keys are the English texts; names in braces stay as they are."""

from __future__ import annotations

from collections.abc import Mapping

CHINESE: Mapping[str, str] = {
    # Head
    "Project {name}. Written {time} ({zone}).": "项目 {name}，生成于 {time}（{zone}）。",
    "replay: order proven, time not attested": "回放：顺序已证明，时间未经见证",
    "Past data were played back: each forecast was sealed before its outcome was read, and used nothing "
    "known after its cutoff. Nobody outside saw when that happened.": (
        "本报告回放历史数据：每个预测都在读取其结果之前封存，且未使用截止时刻之后才知道的任何数据。"
        "但外界无人见证这一过程发生的时间。"
    ),
    "sealed, time not attested": "已封存，时间未经见证",
    "Each forecast is in the log before its outcome. No independent witness has signed the log's "
    "checkpoints, so the log alone does not prove the time.": (
        "每个预测都先于其结果写入日志。但日志的检查点没有独立见证人签名，因此仅凭日志不能证明时间。"
    ),
    "This report has tables only: figures need the extra 'plots'.": (
        "本报告只有表格：图形需要附加组件 'plots'。"
    ),
    "Sections": "章节",
    # Headlines
    "Skill": "技巧得分",
    "no cutoff has settled yet": "尚无已结算的截止时刻",
    "better than the baseline with {level} confidence at every look": "每次查看均以 {level} 置信度优于基准",
    "worse than the baseline with {level} confidence at every look": "每次查看均以 {level} 置信度劣于基准",
    "too few cutoffs for a claim that holds at every look with {level} confidence": (
        "截止时刻尚少，不足以作出每次查看均成立的 {level} 置信度结论"
    ),
    "mean {rule} {mine} against {base} of {baseline}": "平均{rule} {mine}，基准 {baseline} 为 {base}",
    "weighted interval score": "加权区间得分",
    "Brier score": "布赖尔得分",
    "log score": "对数得分",
    "Coverage of the {level} interval": "{level} 区间的覆盖率",
    "95 % interval {low} to {high}": "95 % 置信区间 {low} 至 {high}",
    "too few cutoffs for a 95 % interval": "截止时刻尚少，无 95 % 置信区间",
    "mean width {width}": "平均宽度 {width}",
    "the intervals are too wide": "区间过宽",
    "the intervals are too narrow": "区间过窄",
    "Cutoffs settled": "已结算的截止时刻",
    "{n} of {total}": "{n} / {total}",
    "{n} {status}": "{n} 个{status}",
    "none missing, none late": "无缺失，无迟交",
    "{n} without an outcome, hence without a score": "{n} 个没有实际结果，因而没有得分",
    "Receipts verified offline": "离线验证的收据",
    "against a log of {n} entries": "日志共 {n} 条记录",
    # States
    "scored": "已评分",
    "missing": "缺失",
    "late": "迟交",
    "unrevealed": "未揭示",
    "malformed": "格式错误",
    "proposed": "待批准",
    "approved": "已批准",
    "rejected": "已拒绝",
    ".": "。",
    ", ": "，",
    # Forecasts
    "Forecast {name}": "预测 {name}",
    "one step of {freq}": "1 步（步长 {freq}）",
    "{n} steps of {freq}": "{n} 步（步长 {freq}）",
    "At each of {n} declared cutoffs: {steps} of {dataset}, as {k} quantiles; scored by {rule} against "
    "{baseline}.": (
        "在 {n} 个事先声明的截止时刻，各预测 {dataset} 的 {steps}，给出 {k} 个分位数；"
        "以{rule}对照基准 {baseline} 评分。"
    ),
    "At each of {n} declared cutoffs: the probability of the label, case by case; scored by {rule} against "
    "{baseline}.": "在 {n} 个事先声明的截止时刻，逐例预测标签的概率；以{rule}对照基准 {baseline} 评分。",
    "{n} declared cutoffs are not settled yet.": "还有 {n} 个已声明的截止时刻尚未结算。",
    "Nothing has been forecast yet.": "尚无预测。",
    "Forecasts and outcomes: {id}": "预测与结果：{id}",
    "What was forecast and what came; each step shows the forecast with the latest cutoff before it.": (
        "预测与实际结果；每一步显示截止时刻最近的一次预测。"
    ),
    "Shaded: central intervals of {levels}, narrower ones darker.": "阴影：{levels} 中心区间，越窄越深。",
    "median, whole record; drag the window": "中位数，全部记录；可拖动窗口",
    "outcome, whole record; drag the window": "实际结果，全部记录；可拖动窗口",
    "{n} of {total} series are drawn: {which}.": "共 {total} 个序列，图中画出 {n} 个：{which}。",
    "largest": "最大",
    "best skill": "技巧得分最高",
    "median skill": "技巧得分居中",
    "worst skill": "技巧得分最低",
    "Only the latest {n} steps are drawn.": "图中只画出最近 {n} 步。",
    "Table behind this figure ({n} rows)": "图形所用的数据表（{n} 行）",
    # Pictures of decisions
    "No picture of the decisions: {why}": "决策无图：{why}",
    "Map": "地图",
    "The action of cutoff {cutoff}, to scale. Squares are sites, circles the places they serve, their areas "
    "in proportion to the amount; a line leads from a site to whom it serves, or along a tour.": (
        "截止时刻 {cutoff} 的行动，按比例绘制。方块为设施，圆为其服务的地点，面积与数量成比例；"
        "线从设施连到其服务的地点，或沿着一条路线。"
    ),
    "Some lines share a colour.": "部分线条颜色相同。",
    "site or tour": "设施或路线",
    "stop": "站序",
    "place": "地点",
    "km along the line": "沿线公里数",
    "amount": "数量",
    "km to the east": "向东公里数",
    "km to the north": "向北公里数",
    "Provided and asked for": "提供与需求",
    "The action of cutoff {cutoff}: bars are what it provides, lines the interval of what was expected to be "
    "asked for with its median, diamonds what was asked for.": (
        "截止时刻 {cutoff} 的行动：条形为所提供的数量，线段为预期需求的区间及其中位数，菱形为实际需求。"
    ),
    "To the right of a diamond is what was taken over from others, to the left what was handed on to them, "
    "by the moves of least cost.": "菱形右侧为从别处接收的数量，左侧为转往别处的数量，按成本最低的转移计算。",
    "{asked} were asked for and {short} not met; {left} were left of {provided}.": (
        "需求 {asked}，其中 {short} 未满足；提供 {provided}，剩余 {left}。"
    ),
    "{n} of {total} are drawn, the largest.": "共 {total} 个，图中画出最大的 {n} 个。",
    "name": "名称",
    "provided": "提供",
    "asked for": "实际需求",
    "asked for, as forecast": "预测需求",
    "expected, from": "预期（下限）",
    "expected, median": "预期（中位数）",
    "expected, to": "预期（上限）",
    "taken over": "接收",
    "handed on": "转出",
    "not met": "未满足",
    "left": "剩余",
    "Backtest of limits": "限额回测",
    "Dots are what came, lines the value at risk that was sealed before, squares the days that fell below "
    "it.": ("点为实际结果，线为事先封存的风险价值，方块为跌破限额的日子。"),
    "the whole portfolio": "整个投资组合",
    "return": "收益率",
    "level": "水平",
    "limit": "限额",
    "below it": "跌破",
    "Exceedances": "突破次数",
    "How many days fell below the limit, and how many should have. Small p-values speak against the limits: "
    "Kupiec's if there are too many or too few, Christoffersen's if they also come in clusters. Few days "
    "show little.": (
        "跌破限额的天数与应有的天数。p 值小说明限额不可信：Kupiec 检验突破过多或过少，"
        "Christoffersen 检验突破是否成串。"
        "天数少时说明不了什么。"
    ),
    "days": "天数",
    "exceedances": "突破次数（次）",
    "expected": "应有次数",
    "Stock and orders": "库存与订货",
    "Stock at the end of each step from cutoff {cutoff} on, below zero what is owed; triangles are orders, "
    "which come later. Dashed the level at which one orders, dotted the level up to which.": (
        "自截止时刻 {cutoff} 起每步末的库存，零以下为欠货；三角为订货，稍后到货。"
        "虚线为订货点，点线为补货上限。"
    ),
    "Under the demand that came.": "按实际需求计算。",
    "Under the middle of the forecast: not all demand is known yet.": "按预测中值计算：尚非全部需求已知。",
    "stock": "库存",
    "ordered": "订货",
    "demand": "需求",
    "demand, as forecast": "需求（预测）",
    "Signal plan": "信号配时方案",
    "The plan of cutoff {cutoff} over the day: seconds of green for each phase, stacked with the changes "
    "between them to the cycle.": (
        "截止时刻 {cutoff} 的全天方案：各相位的绿灯秒数，与其间的转换时间叠加为周期。"
    ),
    "phase": "相位",
    "change": "转换",
    "seconds": "秒数",
    "cycle": "周期",
    "Probability of the event": "事件概率",
    "The forecast probability at each step, and whether the event came. Above the dashed line, at "
    "{threshold}, an alert was worth its cost.": (
        "每步的预测概率，以及事件是否发生。在 {threshold} 处的虚线以上，发布警报是值得的。"
    ),
    "event": "事件发生",
    "no event": "未发生",
    "no outcome": "尚无结果",
    "probability of the event": "事件概率",
    "Alerts and events": "警报与事件",
    "Contingency table of each option, the chosen one first: alerts with and without the event, events "
    "without an alert, the share of events detected (POD) and of alerts that were false (FAR).": (
        "各方案的列联表，所选方案在前：有事件与无事件的警报、无警报的事件、事件的命中率（POD）与警报的空报率（FAR）。"
    ),
    "hits": "命中",
    "misses": "漏报",
    "false alarms": "空报",
    "rightly quiet": "正确未报",
    # All series, pyramids, places in distributions
    "All series": "全部序列",
    "Skill of each series against {baseline}: one minus the ratio of the mean scores, above zero where the "
    "forecast was better. Of few outcomes it says little.": (
        "各序列相对基准 {baseline} 的技巧得分：一减平均得分之比，大于零表示预测更好。"
        "结果很少时，它说明不了什么。"
    ),
    "{n} of {total} series were forecast better than by the baseline.": (
        "{total} 个序列中有 {n} 个的预测优于基准。"
    ),
    "The table lists the largest {n}.": "表中列出最大的 {n} 个。",
    "series": "序列",
    "series, by skill": "序列（按技巧得分排序）",
    "mean size": "平均大小",
    "skill": "技巧得分",
    "within the {level} interval": "落在 {level} 区间内",
    "drawn above": "上文已画出",
    "Age pyramid": "人口金字塔",
    "Forecast of {cutoff} for {time}: bars to the lower bound of the central {level} interval, darker the "
    "interval, a line at the median, a diamond at the outcome.": (
        "{cutoff} 对 {time} 的预测：浅色条至中心 {level} 区间的下限，深色为该区间，短线为中位数，菱形为结果。"
    ),
    "{n} of {total} groups came within it.": "{total} 组中有 {n} 组落在区间内。",
    "sex": "性别",
    "age": "年龄",
    "age, from": "年龄（起）",
    "people": "人数",
    "interval": "区间",
    "PIT histogram": "概率积分变换直方图",
    "Where outcomes fell in their forecast distributions, as in the rank histogram of an ensemble. Flat is "
    "calibrated; high at both ends, the intervals are too narrow; high in the middle, too wide; a slope is a "
    "bias. By chance, bars lie in the grey band in 95 of 100 records of outcomes that do not depend on each "
    "other.": (
        "结果落在其预测分布中的位置，如同集合预报的秩直方图。平坦即校准良好；两端高，区间过窄；中间高，区间过宽；"
        "倾斜则有偏差。若各结果互不相关，100 份记录中有 95 份的条形会因偶然落在灰色带内。"
    ),
    "place in the forecast distribution": "在预测分布中的位置",
    "density of outcomes": "结果的密度",
    "share of outcomes": "结果所占份额",
    "by chance above": "偶然性下限",
    "by chance": "偶然范围",
    "Calibration": "校准",
    "How often the outcome was at or below each quantile. On the diagonal, the forecaster's probabilities "
    "meant what they said.": "结果不高于各分位数的频率。落在对角线上，说明预测的概率名副其实。",
    "Reliability": "可靠性",
    "Cases in groups of about equal probability: how often the event happened in each group. Bars are 95 % "
    "intervals.": "按预测概率相近分组：各组中事件发生的频率。竖线为 95 % 置信区间。",
    "Score over time": "得分随时间的变化",
    "Every settled cutoff, none left out; lower is better. Points are cutoffs, lines the means over all "
    "cutoffs so far.": ("每个已结算的截止时刻，无一遗漏；越低越好。点为各截止时刻，曲线为截至当时的平均值。"),
    "Coverage": "覆盖率",
    "central interval": "中心区间",
    "mean width": "平均宽度",
    "The 95 % interval of the observed share is from a block bootstrap over cutoffs.": (
        "观测频率的 95 % 置信区间来自对截止时刻的分块自助法。"
    ),
    "What ran at the latest cutoff": "最近一个截止时刻实际运行的内容",
    # Labels of figures and tables
    "time": "时间",
    "value": "数值",
    "setting": "设定",
    "history": "历史",
    "median": "中位数",
    "outcome": "结果",
    "outcomes": "结果数",
    "cutoff": "截止时刻",
    "status": "状态",
    "values": "数值个数",
    "score": "得分",
    "baseline": "基准",
    "skill so far": "累计技巧得分",
    "forecast, running mean": "预测，累计平均",
    "baseline, running mean": "基准，累计平均",
    "forecast": "预测",
    "no valid forecast": "无有效预测",
    "quantile level": "分位水平",
    "share of outcomes at or below": "结果不高于该分位数的比例",
    "observed": "观测",
    "ideal": "理想",
    "predicted probability": "预测概率",
    "observed share": "观测频率",
    "95 % interval": "95 % 置信区间",
    "95 % interval, from": "95 % 置信区间下限",
    "95 % interval, to": "95 % 置信区间上限",
    "cases": "个案数",
    # Decisions
    "Decision {name}": "决策 {name}",
    "Policy {policy} turns each forecast of {target} into an action.": (
        "策略 {policy} 把 {target} 的每个预测转化为行动。"
    ),
    "option": "方案",
    "chosen": "所选",
    "cost": "成本",
    "expected cost": "预期成本",
    "cost above the choice": "高于所选方案的成本",
    "Totals over all cutoffs with a known outcome.": "对所有结果已知的截止时刻求和。",
    "Regret is modelled: costs come from a formula or simulator applied to the observed outcome; nobody "
    "measured what the alternatives would have done.": (
        "遗憾值为模型计算：成本由公式或模拟器根据观测结果得出；没有人实测过其他方案的效果。"
    ),
    "Regret is observed: the outcome did not depend on the action, so the cost of every option is known.": (
        "遗憾值为实际观测：结果不依赖于行动，因此每个方案的成本都是已知的。"
    ),
    "Regret is randomised: actions were assigned by chance, so their costs can be compared.": (
        "遗憾值来自随机试验：行动随机分配，因此成本可以比较。"
    ),
    "Savings and regret": "节省与遗憾值",
    "Above, what the chosen actions saved against each alternative, adding up over the cutoffs; below, the "
    "regret of each choice: its cost above that of the cheapest option listed, known only afterwards.": (
        "上图：所选行动相对于各备选方案的累计节省；下图：每次选择的遗憾值，即其成本高出所列最便宜方案的部分，"
        "只有事后才能知道。"
    ),
    "saved against, running sum": "相对累计节省",
    "saved against": "节省，相对于",
    "regret": "遗憾值",
    "The latest action, of cutoff {time}": "最近的行动，截止时刻 {time}",
    "from": "起始时间",
    "Costs and constraints": "成本与约束",
    # Data
    "Data": "数据",
    "dataset": "数据集",
    "kept": "保留",
    "flagged": "标记",
    "period": "时段",
    "known at": "获知时间",
    "source and licence": "来源与许可",
    "none": "无",
    "{n} rows": "{n} 行",
    "{n} series": "{n} 个序列",
    "{n} cases": "{n} 例个案",
    "batches: {n}": "{n} 个批次",
    "{share} witnessed": "{share} 有见证",
    "Rejected rows are kept with their reason in the store. Flags mark rows; they drop none. Witnessed rows "
    "came in a batch that was sealed before a cutoff; the others carry the time of knowledge that their "
    "source claims.": (
        "被拒绝的行连同原因一并保存。标记只作注明，不会删除任何行。“有见证”的行所在批次在某个截止时刻之前已封存；"
        "其余各行的获知时间以其来源的声明为准。"
    ),
    # Log and verification
    "Log": "日志",
    "origin": "日志名称",
    "entries": "记录数",
    "root": "根哈希",
    "log key": "日志公钥",
    "author {name}": "作者 {name}",
    "receipts": "收据",
    "verified offline": "已离线验证",
    "These receipts did not verify:": "以下收据未通过验证：",
    "Latest checkpoint, as signed": "最新检查点（签名原文）",
    "How to check it": "如何核验",
    "Believe nothing on this page. Take the log key from somewhere else, then recompute:": (
        "请勿相信本页内容。从其他渠道取得日志公钥，然后重新计算："
    ),
    "The check needs no network and no server: it recomputes every hash, signature and score from the "
    "files.": ("核验无需网络，也无需服务器：它根据文件重新计算每个哈希、签名和得分。"),
    # Claims
    "What is not claimed": "本报告不作的声明",
    "The log does not make data true: it fixes what was said, not whether the sensor was right.": (
        "日志不能使数据变真：它固定的是说过的话，而不是传感器是否正确。"
    ),
    "A replay is not foresight, and a witness of one's own proves no time.": (
        "回放不是预见；自己的见证人不能证明时间。"
    ),
    "A seal does not prove that its author keeps no other log.": "封存不能证明作者没有另一本日志。",
    "Forecasts and decisions here are decision support, not medical or investment advice.": (
        "此处的预测与决策仅供决策参考，不构成医疗或投资建议。"
    ),
    "Written by Foreseal {version}. This file needs no network: everything it shows is inside it.": (
        "由 Foreseal {version} 生成。本文件无需网络：所示内容均在文件之内。"
    ),
    # Cases
    "Table ({n} rows)": "表格（{n} 行）",
    "Probabilities by outcome": "按结果划分的概率",
    "How the probabilities of either outcome are spread: the less they overlap, the better.": (
        "两种结果的概率各自如何分布：重叠越少越好。"
    ),
    "to": "至",
    "did not happen": "未发生",
    "happened": "已发生",
    "share of the cases of that outcome": "占该结果个案的比例",
    "Gains and ROC curve": "增益与 ROC 曲线",
    "Cases from the highest probability down. The area under the curve, {area}, is how often "
    "a case with the event had the higher probability of two; one half is chance.": (
        "个案按概率从高到低排列。曲线下面积 {area} 表示：任取发生与未发生的个案各一，"
        "前者概率较高的频率；一半即为随机。"
    ),
    "share of cases": "个案比例",
    "lowest probability": "最低概率",
    "true-positive rate": "真阳性率",
    "false-positive rate": "假阳性率",
    "chance": "随机",
    "Points": "分值",
    "The scorecard of the latest cutoff: {start}; {scale}. Points lost are the reasons given "
    "for a case.": "最近截止时刻的评分卡：{start}；{scale}。失分即为对个案给出的理由。",
    "feature": "特征",
    "points": "分值",
    "group": "组",
    "Groups": "分组",
    "{act}: share": "{act}：比例",
    "{act}: share where it did not happen": "{act}：未发生者中的比例",
    "{act}: share where it happened": "{act}：已发生者中的比例",
    "Cases with an outcome, by group; groups of fewer than 20 are left out. Differences are "
    "no proof of unequal treatment, nor their absence one of equal treatment: groups differ "
    "in what else is known of them, and of those who never became cases nothing is known.": (
        "有结果的个案，按组列出；少于 20 例的组不列。差异不证明对待不平等，没有差异也不证"
        "明对待平等：各组其他已知情况不同，而从未成为个案者一无所知。"
    ),
    "Drift": "漂移",
    "Population stability index of each cutoff's probabilities against all earlier ones, and "
    "what it exceeds by chance in one of twenty cutoffs.": (
        "各截止时刻的概率相对此前全部概率的群体稳定性指数，以及每二十个截止时刻中有一个会偶然超过的数值。"
    ),
    "mean probability": "平均概率",
    "stability index": "稳定性指数",
    "by chance below": "偶然值上限",
    "Decision curve": "决策曲线",
    "Net benefit per case of acting from a probability on: those rightly acted on, less needless "
    "acts at the odds of that probability. Acting is worth it where the curve lies above both "
    "others.": (
        "从某一概率起采取行动的每例净获益：正确行动的个案，减去按该概率之比值折算的不必要行动。"
        "曲线高于另外两条之处，行动才值得。"
    ),
    "probability at which one acts": "采取行动的概率",
    "net benefit": "净获益",
    "act on everybody": "对所有人行动",
    "act on nobody": "对任何人都不行动",
    # Survival
    "Survival by group of risk": "按风险分组的生存",
    "Cases in three groups of equal size by their forecast: mean forecast curves as lines, as "
    "points the life table of what happened with 95 % limits. Cases lost to follow-up count as "
    "long as they were watched.": (
        "个案按预测分为人数相等的三组：线为平均预测曲线，点为实际情况的寿命表及 95 % 界限。"
        "失访个案在被观察期间计入。"
    ),
    "lowest risk": "风险最低",
    "middle risk": "风险居中",
    "highest risk": "风险最高",
    "days from the start": "自起点的天数",
    "share without the event": "未发生事件的比例",
    "predicted share": "预测比例",
    "cases watched": "被观察的个案",
    "At each of {n} declared cutoffs: the survival curve of each case in {steps}, as the risk of each step "
    "among those still watched; scored by {rule} against {baseline}.": (
        "在 {n} 个事先声明的截止时刻：每个个案的生存曲线，共 {steps}，"
        "以仍被观察者在每一步的风险表示；按 {rule} 计分，与 {baseline} 比较。"
    ),
}
