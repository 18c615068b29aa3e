//! Content encodings, never without a limit.
//!
//! *Invariant:* a decoder is asked for at most one byte more than the limit, whatever sizes the body
//! declares, and a zstd frame cannot ask for a larger window than the limit justifies.
//!
//! Does not stream: a body is in memory before and after, both within the caller's limits.
use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use flate2::write::{GzEncoder, ZlibEncoder};
use flate2::{Compression, Decompress, FlushDecompress, Status};
use std::io::{self, Read, Write};

#[cfg(test)]
mod tests;

/// A content encoding of gRPC (`grpc-encoding`) or HTTP (`content-encoding`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// HTTP's `deflate`: RFC 1950, and raw RFC 1951 as some clients send.
    Deflate,
}

impl Encoding {
    /// From a header value, in any case; `None` when it is not one of ours. An empty value is
    /// [`Encoding::Identity`]; `zlib`, which the Collector knows, is [`Encoding::Deflate`].
    pub fn from_header(value: &str) -> Option<Self> {
        const NAMES: [(&str, Encoding); 7] = [
            ("", Encoding::Identity),
            ("identity", Encoding::Identity),
            ("gzip", Encoding::Gzip),
            ("x-gzip", Encoding::Gzip),
            ("zstd", Encoding::Zstd),
            ("deflate", Encoding::Deflate),
            ("zlib", Encoding::Deflate),
        ];
        let value = value.trim();
        NAMES
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(value))
            .map(|(_, encoding)| encoding)
    }

    /// As a header value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Deflate => "deflate",
        }
    }
}

/// Why a body could not be decompressed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DecompressError {
    /// The body inflates beyond the limit.
    #[error("body is larger than {limit} bytes after decompression")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The body is not valid in its encoding.
    #[error("body is not valid {encoding}: {detail}")]
    Invalid {
        /// Name of the encoding.
        encoding: &'static str,
        /// What the decoder said.
        detail: String,
    },
}

/// Decompresses `body`, never holding more than `limit` bytes of output (and one more, to know).
///
/// Concatenated gzip members and zstd frames are one body. As in Go's gzip reader, bytes that follow
/// the last member and start no other are an error, here in every encoding; so is an empty body,
/// which none of them has.
///
/// # Errors
/// [`DecompressError::TooLarge`] as soon as the output passes `limit`, [`DecompressError::Invalid`] for
/// a body that is corrupt or cut short.
pub fn decompress(
    encoding: Encoding,
    body: &Bytes,
    limit: usize,
) -> Result<Bytes, DecompressError> {
    let invalid = |detail: String| DecompressError::Invalid {
        encoding: encoding.as_str(),
        detail,
    };
    if encoding == Encoding::Identity {
        if body.len() > limit {
            return Err(DecompressError::TooLarge { limit });
        }
        return Ok(body.clone());
    }
    if body.is_empty() {
        return Err(invalid("body is empty".to_owned()));
    }
    let expected = body.len().saturating_mul(4);
    let read = match encoding {
        Encoding::Identity | Encoding::Gzip => {
            read_limited(&mut MultiGzDecoder::new(&body[..]), expected, limit)
        }
        Encoding::Deflate => read_limited(&mut Inflate::new(body), expected, limit),
        Encoding::Zstd => zstd_reader(body, limit)
            .and_then(|mut reader| read_limited(&mut reader, expected, limit)),
    };
    match read {
        Ok(Some(output)) => Ok(output),
        Ok(None) => Err(DecompressError::TooLarge { limit }),
        Err(error) => Err(invalid(error.to_string())),
    }
}

/// Compresses the concatenation of `chunks` at the encoding's usual speed level.
pub fn compress(encoding: Encoding, chunks: &[Bytes]) -> Bytes {
    let size: usize = chunks.iter().map(Bytes::len).sum();
    let room = Vec::with_capacity(size / 8 + 64);
    #[expect(clippy::expect_used, reason = "a Vec takes every write")]
    let output = match encoding {
        Encoding::Identity => match chunks {
            [one] => return one.clone(),
            _ => Ok(chunks.concat()),
        },
        Encoding::Gzip => write_all(GzEncoder::new(room, Compression::default()), chunks)
            .and_then(GzEncoder::finish),
        Encoding::Deflate => write_all(ZlibEncoder::new(room, Compression::default()), chunks)
            .and_then(ZlibEncoder::finish),
        Encoding::Zstd => zstd_writer(room, size)
            .and_then(|encoder| write_all(encoder, chunks))
            .and_then(zstd::Encoder::finish),
    }
    .expect("compression into memory");
    Bytes::from(output)
}

fn write_all<W: Write>(mut encoder: W, chunks: &[Bytes]) -> io::Result<W> {
    for chunk in chunks {
        encoder.write_all(chunk)?;
    }
    Ok(encoder)
}

/// The decoder's window is memory beside the output. RFC 9659 lets an encoder use 8 MiB; Go's zstd at
/// its higher levels uses more, which is fine as long as the output could be as large.
fn zstd_reader(body: &[u8], limit: usize) -> io::Result<zstd::Decoder<'static, &[u8]>> {
    const LARGEST_LOG: u32 = 26;
    const SMALLEST_LOG: u32 = 23;
    let mut reader = zstd::Decoder::with_buffer(body)?;
    let log = limit
        .checked_ilog2()
        .unwrap_or(0)
        .clamp(SMALLEST_LOG, LARGEST_LOG);
    reader.window_log_max(log)?;
    Ok(reader)
}

fn zstd_writer(room: Vec<u8>, size: usize) -> io::Result<zstd::Encoder<'static, Vec<u8>>> {
    let mut encoder = zstd::Encoder::new(room, zstd::DEFAULT_COMPRESSION_LEVEL)?;
    // Lets the reader of a small body do without a window.
    encoder.set_pledged_src_size(u64::try_from(size).ok())?;
    Ok(encoder)
}

/// Reads `source` to its end; `None` when it has more than `limit` bytes.
fn read_limited(source: &mut dyn Read, expected: usize, limit: usize) -> io::Result<Option<Bytes>> {
    const SMALLEST: usize = 1024;
    let most = limit.saturating_add(1);
    let mut output = vec![0; expected.clamp(SMALLEST, most.max(SMALLEST)).min(most)];
    let mut filled = 0;
    loop {
        if filled == output.len() {
            if filled > limit {
                return Ok(None);
            }
            let size = filled.saturating_mul(2).clamp(SMALLEST.min(most), most);
            // Exact, since growing by Vec's own rule may pass the limit by half.
            output.reserve_exact(size - filled);
            output.resize(size, 0);
        }
        match source.read(&mut output[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    if filled > limit {
        return Ok(None);
    }
    output.truncate(filled);
    // The rest lives as long as the body does, and no budget knows it.
    output.shrink_to_fit();
    Ok(Some(Bytes::from(output)))
}

/// `deflate` with or without the zlib wrapper. flate2's own readers take a body that is cut short
/// for a complete one.
struct Inflate<'a> {
    state: Decompress,
    input: &'a [u8],
    ended: bool,
}

impl<'a> Inflate<'a> {
    fn new(input: &'a [u8]) -> Self {
        // A raw stream never starts like this: it would be a stored block with a set padding bit.
        let zlib = matches!(input, [cmf, flags, ..]
            if cmf & 0x0f == 8 && u16::from_be_bytes([*cmf, *flags]).is_multiple_of(31));
        Self {
            state: Decompress::new(zlib),
            input,
            ended: false,
        }
    }
}

impl Read for Inflate<'_> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        while !self.ended {
            let (read, written) = (self.state.total_in(), self.state.total_out());
            let status = self
                .state
                .decompress(self.input, output, FlushDecompress::None)?;
            let read = usize::try_from(self.state.total_in() - read).map_err(io::Error::other)?;
            let written =
                usize::try_from(self.state.total_out() - written).map_err(io::Error::other)?;
            self.input = &self.input[read..];
            self.ended = status == Status::StreamEnd;
            if written > 0 {
                return Ok(written);
            }
            if read == 0 && !self.ended {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "body is cut short",
                ));
            }
        }
        if self.input.is_empty() {
            Ok(0)
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "bytes follow the end of the stream",
            ))
        }
    }
}
