import Logging
import Logs

/// What an operator must know from the first lines.
enum StartupNotes {
  static func announceMode(_ configuration: ServerConfiguration, _ output: LineWriter, _ log: Logger) {
    if configuration.isDevelopment {
      let listens = configuration.address == "::" || configuration.address == "0.0.0.0"
      output.write(
        "needletail \(Needletail.version), development mode: listens on "
          + (listens ? "every address" : configuration.address)
          + (configuration.auth == "none" ? ", takes no tokens: whoever reaches this machine may join." : "."))
      // Before what the log says of it, which another thread writes.
      output.flush(milliseconds: 500)
    }
    if configuration.auth == "none" {
      log.warning("auth is none: whoever reaches this server may join any room", metadata: ["key": "auth"])
    }
    if configuration.isPlainHTTP {
      log.warning("plain HTTP: browsers give cameras to pages from localhost only", metadata: ["key": "plain-http"])
    }
  }

  static func announceURLs(_ configuration: ServerConfiguration, port: Int, _ output: LineWriter) {
    output.write("open " + urls(configuration, port: port).joined(separator: "\n     "))
  }

  static func urls(_ configuration: ServerConfiguration, port: Int) -> [String] {
    let scheme = configuration.isPlainHTTP ? "http" : "https"
    let hosts: [String]
    switch configuration.address {
    case "::", "0.0.0.0": hosts = ["localhost"] + HostAddresses.all().map { $0.isV6 ? "[\($0)]" : "\($0)" }
    case let address: hosts = [address.contains(":") ? "[\(address)]" : address]
    }
    return hosts.map { "\(scheme)://\($0):\(port)/" }
  }
}
