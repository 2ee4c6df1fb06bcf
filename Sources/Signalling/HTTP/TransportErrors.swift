import NIOCore
import NIOSSL

/// Errors after which a connection is of no more use: TLS failures and sockets that broke.
func isTransportError(_ error: any Error) -> Bool {
  error is NIOSSLError || error is NIOSSLExtraError || error is BoringSSLError || error is IOError
    || error is ChannelError
}
