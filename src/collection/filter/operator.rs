//! The operators of the filter language: Sequelize's own, and those that NocoBase registers over them
//! (`packages/core/database/src/operators`).

/// An operator that Sequelize knows: what conditions are made of in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Op {
    And,
    Or,
    Not,
    Is,
    Eq,
    Ne,
    Gt,
    Gte,
    Lt,
    Lte,
    In,
    NotIn,
    Like,
    NotLike,
    /// NocoBase's own patterns, in which a backslash escapes wildcards on every database.
    LikeEscaped,
    NotLikeEscaped,
    ILike,
    NotILike,
    EndsWith,
    Substring,
    Regexp,
    NotRegexp,
    IRegexp,
    NotIRegexp,
    Between,
    NotBetween,
    Overlap,
    Contains,
    Contained,
}

/// An operator of NocoBase: makes a condition of its operand and of the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Special {
    Eq,
    Ne,
    In,
    NotIn,
    Exists,
    NotExists,
    Empty,
    NotEmpty,
    IsTruly,
    IsFalsy,
    Text { place: Place, is_negated: bool },
    Match,
    NotMatch,
    AnyOf,
    NoneOf,
    ArrayEmpty,
    ArrayNotEmpty,
    ChildIn,
    ChildNotIn,
    Date(DateOperator),
}

/// Where a text is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Anywhere,
    Start,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DateOperator {
    On,
    NotOn,
    Before,
    NotBefore,
    After,
    NotAfter,
    Between,
}

/// What a key that starts with `$` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Plain(Op),
    Special(Special),
    /// One that Sequelize has, but that no filter needs: it compares columns, or nests other operators.
    Refused,
}

impl Operator {
    /// The operator of a key with its `$`. Sequelize's go by three spellings: `notIn`, `not_in`, `notin`.
    pub(super) fn parse(key: &str) -> Option<Self> {
        if let Some(special) = special(key) {
            return Some(Self::Special(special));
        }
        let name = key.strip_prefix('$')?;
        let snake = entity::snake_case;
        let is = |camel: &str| name == camel || name == snake(camel) || name == snake(camel).replace('_', "");
        if let Some((_, op)) = PLAIN.iter().find(|(camel, _)| is(camel)) {
            return Some(Self::Plain(*op));
        }
        REFUSED.iter().any(|camel| is(camel)).then_some(Self::Refused)
    }
}

const PLAIN: [(&str, Op); 27] = [
    ("eq", Op::Eq),
    ("ne", Op::Ne),
    ("gte", Op::Gte),
    ("gt", Op::Gt),
    ("lte", Op::Lte),
    ("lt", Op::Lt),
    ("not", Op::Not),
    ("is", Op::Is),
    ("in", Op::In),
    ("notIn", Op::NotIn),
    ("like", Op::Like),
    ("notLike", Op::NotLike),
    ("iLike", Op::ILike),
    ("notILike", Op::NotILike),
    ("endsWith", Op::EndsWith),
    ("substring", Op::Substring),
    ("regexp", Op::Regexp),
    ("notRegexp", Op::NotRegexp),
    ("iRegexp", Op::IRegexp),
    ("notIRegexp", Op::NotIRegexp),
    ("between", Op::Between),
    ("notBetween", Op::NotBetween),
    ("overlap", Op::Overlap),
    ("contains", Op::Contains),
    ("contained", Op::Contained),
    ("and", Op::And),
    ("or", Op::Or),
];

const REFUSED: [&str; 12] = [
    "adjacent",
    "strictLeft",
    "strictRight",
    "noExtendRight",
    "noExtendLeft",
    "all",
    "any",
    "values",
    "col",
    "placeholder",
    "join",
    "raw",
];

fn special(key: &str) -> Option<Special> {
    let text = |place, is_negated| Special::Text { place, is_negated };
    Some(match key {
        "$eq" => Special::Eq,
        "$ne" => Special::Ne,
        "$in" => Special::In,
        "$notIn" => Special::NotIn,
        "$exists" => Special::Exists,
        "$notExists" => Special::NotExists,
        "$empty" => Special::Empty,
        "$notEmpty" => Special::NotEmpty,
        "$isTruly" => Special::IsTruly,
        "$isFalsy" => Special::IsFalsy,
        "$includes" => text(Place::Anywhere, false),
        "$notIncludes" => text(Place::Anywhere, true),
        "$startsWith" => text(Place::Start, false),
        "$notStartsWith" => text(Place::Start, true),
        "$endWith" => text(Place::End, false),
        "$notEndWith" => text(Place::End, true),
        "$match" => Special::Match,
        "$notMatch" => Special::NotMatch,
        "$anyOf" => Special::AnyOf,
        "$noneOf" => Special::NoneOf,
        "$arrayEmpty" => Special::ArrayEmpty,
        "$arrayNotEmpty" => Special::ArrayNotEmpty,
        "$childIn" => Special::ChildIn,
        "$childNotIn" => Special::ChildNotIn,
        "$dateOn" => Special::Date(DateOperator::On),
        "$dateNotOn" => Special::Date(DateOperator::NotOn),
        "$dateBefore" => Special::Date(DateOperator::Before),
        "$dateNotBefore" => Special::Date(DateOperator::NotBefore),
        "$dateAfter" => Special::Date(DateOperator::After),
        "$dateNotAfter" => Special::Date(DateOperator::NotAfter),
        "$dateBetween" => Special::Date(DateOperator::Between),
        _ => return None,
    })
}

impl Op {
    /// The symbol that messages show.
    pub(super) fn symbol(self) -> &'static str {
        PLAIN.iter().find(|(_, op)| *op == self).map_or("", |(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequelize_s_operators_have_three_spellings_and_nocobase_s_one() {
        for key in ["$notLike", "$not_like", "$notlike"] {
            assert_eq!(Operator::parse(key), Some(Operator::Plain(Op::NotLike)), "{key}");
        }
        assert_eq!(Operator::parse("$notIn"), Some(Operator::Special(Special::NotIn)));
        assert_eq!(Operator::parse("$not_in"), Some(Operator::Plain(Op::NotIn)));
        assert_eq!(Operator::parse("$col"), Some(Operator::Refused));
        for key in ["$nosuch", "eq", "$", "$startswith"] {
            assert_eq!(Operator::parse(key), None, "{key}");
        }
        assert_eq!(Op::Eq.symbol(), "eq");
    }
}
