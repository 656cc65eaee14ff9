//! Names that NocoBase derives from others: of foreign keys and through tables where a field row names none.

/// `Utils.camelize` of Sequelize: `order_id` → `orderId`; the first letter stays.
pub(super) fn camelize(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.trim().chars() {
        if matches!(c, '-' | '_') || c.is_whitespace() {
            upper = true;
        } else if upper {
            out.extend(c.to_uppercase());
            upper = false;
        } else {
            out.push(c);
        }
    }
    out
}

/// lodash's `camelCase`, for names of letters, digits and separators: `HTMLBody_id` → `htmlBodyId`.
pub(super) fn camel_case(name: &str) -> String {
    let snake = entity::snake_case(name);
    let camel = camelize(snake.trim_matches(|c: char| !c.is_alphanumeric()));
    let mut chars = camel.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// The singular of an English noun, by the regular rules.
pub(super) fn singularize(name: &str) -> String {
    let ends = |end: &str| name.len() > end.len() && name.ends_with(end);
    if ends("ies") {
        return format!("{}y", &name[..name.len() - 3]);
    }
    if ["sses", "shes", "ches", "xes", "zes"].iter().any(|end| ends(end)) {
        return name[..name.len() - 2].to_owned();
    }
    if ends("s") && !ends("ss") && !ends("us") && !ends("is") {
        return name[..name.len() - 1].to_owned();
    }
    name.to_owned()
}

/// The plural of an English noun, by the regular rules.
pub(super) fn pluralize(name: &str) -> String {
    let before_last = name.chars().rev().nth(1);
    if name.ends_with('y') && before_last.is_some_and(|c| !"aeiou".contains(c)) {
        return format!("{}ies", &name[..name.len() - 1]);
    }
    if ["s", "sh", "ch", "x", "z"].iter().any(|end| name.ends_with(end)) {
        return format!("{name}es");
    }
    format!("{name}s")
}

/// Whether a name needs no quotes in JavaScript.
pub(super) fn is_identifier(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_names_follow_the_libraries_of_nocobase() {
        assert_eq!(camelize("order_id"), "orderId");
        assert_eq!(camelize("cf_qry_ord_id"), "cfQryOrdId");
        assert_eq!(camel_case("customer_id"), "customerId");
        assert_eq!(camel_case("HTMLBody_id"), "htmlBodyId");
        let pairs = [("posts", "post"), ("categories", "category"), ("boxes", "box"), ("status", "status")];
        for (plural, singular) in pairs {
            assert_eq!(singularize(plural), singular);
        }
        assert_eq!(pluralize("category"), "categories");
        assert_eq!(pluralize("post"), "posts");
        assert_eq!(pluralize("day"), "days");
    }
}
