//! Pipes and pairs of Unix sockets under epoll: edge-triggered readiness, partial reads and writes, and ends.

use crate::{Outcome, expect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::net::{UnixDatagram, UnixStream};
use tokio::task::JoinSet;

/// Bytes that tell where they were.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 251).to_le_bytes()[0]).collect()
}

/// Far more than a pipe holds, so that the writer waits for the reader again and again.
pub async fn a_pipe_carries_a_mebibyte() -> Outcome {
    let (mut sender, mut receiver) = pipe::pipe()?;
    let sent = pattern(1 << 20);
    let expected = sent.clone();
    let writer = tokio::spawn(async move { sender.write_all(&sent).await });
    let mut received = Vec::new();
    receiver.read_to_end(&mut received).await?;
    writer.await??;
    expect(received == expected, "the bytes arrive as they were sent")
}

/// Fifty pairs talk at once, each message answered.
pub async fn socket_pairs_echo() -> Outcome {
    let mut tasks = JoinSet::new();
    for number in 0..50_usize {
        let (mut here, mut there) = UnixStream::pair()?;
        tokio::spawn(async move {
            let (mut from, mut to) = there.split();
            tokio::io::copy(&mut from, &mut to).await
        });
        tasks.spawn(async move {
            for round in 1..=20 {
                let message = pattern(number + round);
                here.write_all(&message).await?;
                let mut answer = vec![0; message.len()];
                here.read_exact(&mut answer).await?;
                if answer != message {
                    return Ok(false);
                }
            }
            Ok::<bool, std::io::Error>(true)
        });
    }
    while let Some(done) = tasks.join_next().await {
        expect(done??, "the answer is the message")?;
    }
    Ok(())
}

/// Messages of many lengths, of which each arrives whole and alone.
pub async fn datagrams_keep_their_bounds() -> Outcome {
    let (here, there) = UnixDatagram::pair()?;
    let sender = tokio::spawn(async move {
        for length in 1..=300 {
            here.send(&pattern(length)).await?;
        }
        Ok::<(), std::io::Error>(())
    });
    let mut buffer = [0; 512];
    for length in 1..=300 {
        let received = there.recv(&mut buffer).await?;
        expect(buffer[..received] == pattern(length), "each datagram is one that was sent")?;
    }
    Ok(sender.await??)
}

/// End of file where the writer went, EPIPE where the reader went, and half of a socket closed.
pub async fn a_closed_end_is_the_end() -> Outcome {
    let (sender, mut receiver) = pipe::pipe()?;
    drop(sender);
    expect(receiver.read(&mut [0; 8]).await? == 0, "a pipe without a writer ends")?;
    let (mut sender, receiver) = pipe::pipe()?;
    drop(receiver);
    let error = sender.write_all(b"x").await.err().map(|error| error.kind());
    expect(error == Some(std::io::ErrorKind::BrokenPipe), "a pipe without a reader is broken")?;
    let (mut here, mut there) = UnixStream::pair()?;
    here.write_all(b"last words").await?;
    here.shutdown().await?;
    let mut words = String::new();
    there.read_to_string(&mut words).await?;
    there.write_all(b"answer").await?;
    drop(there);
    let mut answer = String::new();
    here.read_to_string(&mut answer).await?;
    expect(words == "last words" && answer == "answer", "half a socket is closed, the other goes on")
}
