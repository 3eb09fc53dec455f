//! A report as a drawing, SVG or PNG.

mod data;
mod draw;

use std::sync::Once;

use plotters::backend::{BitMapBackend, SVGBackend};
use plotters::drawing::IntoDrawingArea;
use plotters::style::{FontStyle, register_font};

use super::error::ReportError;
use super::sheet::Sheet;

pub use data::{Plot, Series};

/// Size of a drawing, pixels.
pub const WIDTH: u32 = 1_200;
/// Height, pixels.
pub const HEIGHT: u32 = 675;

/// Letters are measured, and drawn in PNG, with this font; SVG leaves it to who shows it.
fn font() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // The bytes are those of a font that the crate carries: they are never refused.
        let _ = register_font("sans-serif", FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT);
    });
}

/// The drawing as SVG.
///
/// # Errors
/// [`ReportError::Output`] when the report has nothing to draw.
pub fn svg(sheet: &Sheet) -> Result<String, ReportError> {
    let plot = Plot::of(sheet)?;
    font();
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (WIDTH, HEIGHT)).into_drawing_area();
        draw::draw(&area, &plot)?;
    }
    Ok(text)
}

/// The drawing as PNG.
///
/// # Errors
/// [`ReportError::Output`] when the report has nothing to draw.
pub fn png(sheet: &Sheet) -> Result<Vec<u8>, ReportError> {
    let plot = Plot::of(sheet)?;
    font();
    let mut pixels = vec![0; (WIDTH * HEIGHT * 3) as usize];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, (WIDTH, HEIGHT)).into_drawing_area();
        draw::draw(&area, &plot)?;
    }
    let failed = |error: png::EncodingError| ReportError::Output(error.to_string());
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, WIDTH, HEIGHT);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}
