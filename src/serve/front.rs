//! The page at `/`: what there is here, and where. It tells nothing of persons or consumers, so
//! everybody may read it who reaches the service at all. Its links hold behind a proxy too, for they
//! name no host.

use hyper::header::HeaderValue;

use crate::wire::contract::ENDPOINTS;
use crate::wire::openapi;

/// The content type of the page for browsers.
pub const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// What a browser may load for the page, and who may frame it: nothing, nobody.
pub const NOTHING_ELSE: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

const TITLE: &str = "pu: ett personregister";

/// What the page tells of one thing.
enum Line {
    Heading(&'static str),
    /// An address that shows something by itself.
    Link(String),
    /// A method and an address that wants more than a look.
    Route(String),
}

/// The page, as HTML or as plain text. The metrics are the operator's.
pub fn page(is_html: bool, is_operator: bool) -> String {
    let lines = lines(is_operator).map(|line| match line {
        Line::Heading(it) if is_html => format!("<h2>{it}</h2>\n"),
        Line::Heading(it) => format!("\n{it}\n"),
        Line::Link(it) if is_html => format!("<a href=\"{it}\">{it}</a><br>\n"),
        Line::Route(it) if is_html => format!("{it}<br>\n"),
        Line::Link(it) | Line::Route(it) => format!("  {it}\n"),
    });
    let body: String = lines.collect();
    if is_html {
        format!(
            "<!DOCTYPE html>\n<html lang=\"sv\">\n<head>\n<meta charset=\"utf-8\">\n\
             <title>{TITLE}</title>\n</head>\n<body>\n<h1>{TITLE}</h1>\n{body}</body>\n</html>\n"
        )
    } else {
        format!("{TITLE}\n{body}")
    }
}

fn lines(is_operator: bool) -> impl Iterator<Item = Line> {
    let link = |path: &str| Line::Link(path.to_owned());
    let health = ["/healthz", "/readyz"].map(link);
    let metrics = is_operator.then(|| link("/metrics"));
    let wsdls = ENDPOINTS
        .iter()
        .map(|endpoint| Line::Link(format!("{}?wsdl", endpoint.path())));
    std::iter::once(Line::Heading("Hur tjänsten mår"))
        .chain(health)
        .chain(metrics)
        .chain([Line::Heading("REST"), link(openapi::PATH)])
        .chain(routes().into_iter().map(Line::Route))
        .chain([Line::Heading("SOAP (RIV-TA 2.1)")])
        .chain(wsdls)
}

/// The routes of the REST interface, as its description has them.
fn routes() -> Vec<String> {
    let document = openapi::document();
    let paths = document["paths"].as_object().into_iter().flatten();
    paths
        .filter(|(path, _)| *path != openapi::PATH)
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().into_iter().flatten();
            methods.map(move |(method, _)| format!("{} {path}", method.to_uppercase()))
        })
        .collect()
}
