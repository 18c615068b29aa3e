//! What a dashboard is, and its JSON.

use serde_json::{Value, json};

/// Panels in one row of the grid, of its 24 columns.
const ACROSS: usize = 3;
const WIDTH: usize = 24 / ACROSS;
const HEIGHT: usize = 8;

/// Variables of every dashboard.
pub(super) const VARIABLES: [Variable; 1] = [Variable {
    name: "namespace",
    metric: "penstock_admit_limit_bytes",
}];

/// A dashboard.
pub(super) struct Board {
    /// Of its file, and of its address in Grafana.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) about: &'static str,
    /// Variables beside [`VARIABLES`].
    pub(super) variables: &'static [Variable],
    pub(super) rows: &'static [(&'static str, &'static [Panel])],
}

/// Something to choose: values of the label `name` that `metric` has.
pub(super) struct Variable {
    pub(super) name: &'static str,
    pub(super) metric: &'static str,
}

/// How a panel shows its series.
pub(super) enum Look {
    /// A line each.
    Lines,
    /// Areas on top of each other, for what adds up.
    Stack,
    /// One number, red above 0.
    Alarm,
    /// One number.
    Number,
}

/// A panel.
pub(super) struct Panel {
    pub(super) title: &'static str,
    /// Grafana's id of the unit.
    pub(super) unit: &'static str,
    pub(super) about: &'static str,
    pub(super) look: Look,
    /// Each with its legend.
    pub(super) queries: &'static [(&'static str, &'static str)],
}

const fn panel(
    look: Look,
    title: &'static str,
    unit: &'static str,
    about: &'static str,
    queries: &'static [(&'static str, &'static str)],
) -> Panel {
    Panel {
        title,
        unit,
        about,
        look,
        queries,
    }
}

/// A panel of lines.
pub(super) const fn lines(
    title: &'static str,
    unit: &'static str,
    about: &'static str,
    queries: &'static [(&'static str, &'static str)],
) -> Panel {
    panel(Look::Lines, title, unit, about, queries)
}

/// A panel of areas on top of each other.
pub(super) const fn stack(
    title: &'static str,
    unit: &'static str,
    about: &'static str,
    queries: &'static [(&'static str, &'static str)],
) -> Panel {
    panel(Look::Stack, title, unit, about, queries)
}

/// A number.
pub(super) const fn number(
    title: &'static str,
    unit: &'static str,
    about: &'static str,
    queries: &'static [(&'static str, &'static str)],
) -> Panel {
    panel(Look::Number, title, unit, about, queries)
}

/// A number that should be 0.
pub(super) const fn alarm(
    title: &'static str,
    unit: &'static str,
    about: &'static str,
    queries: &'static [(&'static str, &'static str)],
) -> Panel {
    panel(Look::Alarm, title, unit, about, queries)
}

/// A query as Grafana gets it.
pub(super) fn expanded(query: &str) -> String {
    query
        .replace("{NS", "{namespace=~\"$namespace\"")
        .replace("RATE", "$__rate_interval")
}

impl Board {
    /// All panels.
    pub(super) fn panels(&self) -> impl Iterator<Item = &Panel> {
        self.rows.iter().flat_map(|(_, panels)| panels.iter())
    }

    /// A panel a line, so that a change is a line of a diff.
    pub(super) fn json(&self) -> String {
        let panels: Vec<_> = self.placed().iter().map(Value::to_string).collect();
        let rest = json!({
            "uid": format!("penstock-{}", self.name),
            "title": format!("Penstock / {}", self.title),
            "description": self.about,
            "tags": ["penstock"],
            "schemaVersion": 39,
            "editable": true,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": {"from": "now-3h", "to": "now"},
            "links": [{"type": "dashboards", "title": "Penstock", "tags": ["penstock"], "asDropdown": true, "includeVars": true, "keepTime": true}],
            "templating": {"list": self.templating()},
        });
        let rest = rest.to_string();
        format!(
            "{{\"panels\":[\n{}\n],\n{}\n",
            panels.join(",\n"),
            &rest[1..]
        )
    }

    fn templating(&self) -> Vec<Value> {
        let source = json!({"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"});
        let variables = VARIABLES.iter().chain(self.variables);
        let chosen = variables.map(|variable| {
            json!({
                "name": variable.name,
                "type": "query",
                "datasource": datasource(),
                "query": format!("label_values({}, {})", variable.metric, variable.name),
                "refresh": 2, "sort": 1, "multi": true, "includeAll": true, "allValue": ".+",
                "current": {"text": "All", "value": "$__all"},
            })
        });
        std::iter::once(source).chain(chosen).collect()
    }

    /// Rows and panels, each with its place.
    fn placed(&self) -> Vec<Value> {
        let (mut all, mut top) = (Vec::new(), 0);
        for (title, panels) in self.rows {
            let at = json!({"x": 0, "y": top, "w": 24, "h": 1});
            all.push(
                json!({"id": all.len() + 1, "type": "row", "title": title, "gridPos": at, "panels": []}),
            );
            top += 1;
            for (index, panel) in panels.iter().enumerate() {
                let (column, row) = (index % ACROSS, index / ACROSS);
                let at =
                    json!({"x": column * WIDTH, "y": top + row * HEIGHT, "w": WIDTH, "h": HEIGHT});
                all.push(panel.json(all.len() + 1, &at));
            }
            top += panels.len().div_ceil(ACROSS) * HEIGHT;
        }
        all
    }
}

impl Panel {
    fn json(&self, id: usize, at: &Value) -> Value {
        let letters = ["A", "B", "C", "D", "E"];
        let targets = self.queries.iter().zip(letters);
        let targets: Vec<_> = targets
            .map(|((query, legend), letter)| {
                json!({"refId": letter, "expr": expanded(query), "legendFormat": legend})
            })
            .collect();
        let (kind, defaults, options) = self.look();
        json!({
            "id": id, "type": kind, "title": self.title, "description": self.about, "gridPos": at,
            "datasource": datasource(), "targets": targets, "options": options,
            "fieldConfig": {"defaults": defaults, "overrides": []},
        })
    }

    fn look(&self) -> (&'static str, Value, Value) {
        let calm = json!({"mode": "absolute", "steps": [{"color": "green", "value": null}]});
        let number = json!({"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "area"});
        let stacking = match self.look {
            Look::Lines => "none",
            Look::Stack => "normal",
            Look::Number => {
                return (
                    "stat",
                    json!({"unit": self.unit, "min": 0, "thresholds": calm}),
                    number,
                );
            }
            Look::Alarm => {
                let steps =
                    json!([{"color": "green", "value": null}, {"color": "red", "value": 1e-9}]);
                let thresholds = json!({"mode": "absolute", "steps": steps});
                let defaults =
                    json!({"unit": self.unit, "min": 0, "noValue": "0", "thresholds": thresholds});
                return ("stat", defaults, number);
            }
        };
        let fill = if matches!(self.look, Look::Stack) {
            30
        } else {
            5
        };
        let custom =
            json!({"fillOpacity": fill, "stacking": {"mode": stacking}, "showPoints": "never"});
        let options = json!({"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}});
        (
            "timeseries",
            json!({"unit": self.unit, "min": 0, "custom": custom}),
            options,
        )
    }
}

fn datasource() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}
