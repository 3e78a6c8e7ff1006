import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.postgresql.PGStatement;

/**
 * Does with the JDBC driver what each line of its input asks, fields between tabs, and prints one line of JSON for each:
 * what came (`rows`, `count`), whether the server kept the statement (`prepared`), notices, or the error.
 */
public class Jdbc {
  public static void main(String[] args) throws Exception {
    Properties properties = new Properties();
    for (int i = 1; i < args.length; i += 2) properties.setProperty(args[i], args[i + 1]);
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    try (Connection connection = DriverManager.getConnection(args[0], properties)) {
      say("{\"ready\":" + quoted(connection.getMetaData().getDatabaseProductVersion()) + "}");
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        try {
          say(act(connection, line.split("\t")));
        } catch (SQLException error) {
          say(told(error));
        }
      }
    } catch (SQLException error) {
      say(told(error));
    }
  }

  private static String act(Connection connection, String[] asked) throws Exception {
    switch (asked[0]) {
      case "query":
        try (Statement statement = connection.createStatement()) {
          return result(statement, statement.execute(asked[1]));
        }
      case "prepared":
        return prepared(connection, asked[1], Integer.parseInt(asked[2]));
      case "fetch":
        return fetched(connection, asked[1], Integer.parseInt(asked[2]));
      case "batch":
        return batch(connection, asked[1], Integer.parseInt(asked[2]));
      case "cancel":
        return cancelled(connection, asked[1]);
      case "autocommit":
        connection.setAutoCommit(Boolean.parseBoolean(asked[1]));
        return "{}";
      case "rollback":
        connection.rollback();
        return "{}";
      case "columns":
        try (ResultSet rows = connection.getMetaData().getColumns(null, "public", asked[1], null)) {
          List<String> names = new ArrayList<>();
          while (rows.next()) names.add(quoted(rows.getString("COLUMN_NAME")));
          return "{\"rows\":" + names + "}";
        }
      default:
        throw new IllegalArgumentException(asked[0]);
    }
  }

  /** One statement with the parameters 1, 2, 3 …; the driver has the server keep it from the fifth time on. */
  private static String prepared(Connection connection, String sql, int times) throws SQLException {
    List<String> values = new ArrayList<>();
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      for (int i = 1; i <= times; i++) {
        statement.setLong(1, i);
        try (ResultSet rows = statement.executeQuery()) {
          while (rows.next()) values.add(quoted(rows.getString(1)));
        }
      }
      boolean kept = statement.unwrap(PGStatement.class).isUseServerPrepare();
      return "{\"rows\":" + values + ",\"prepared\":" + kept + "}";
    }
  }

  /** Through a portal, some rows at a time; that needs a transaction. */
  private static String fetched(Connection connection, String sql, int size) throws SQLException {
    int count = 0;
    connection.setAutoCommit(false);
    try (Statement statement = connection.createStatement()) {
      statement.setFetchSize(size);
      try (ResultSet rows = statement.executeQuery(sql)) {
        while (rows.next()) count++;
      }
    }
    connection.commit();
    connection.setAutoCommit(true);
    return "{\"count\":" + count + "}";
  }

  private static String batch(Connection connection, String sql, int times) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      for (int i = 1; i <= times; i++) {
        statement.setLong(1, i);
        statement.addBatch();
      }
      int count = 0;
      for (int each : statement.executeBatch()) count += each;
      return "{\"count\":" + count + "}";
    }
  }

  private static String cancelled(Connection connection, String sql) throws Exception {
    try (Statement statement = connection.createStatement()) {
      Thread thread = new Thread(() -> {
        try {
          System.in.read();
          statement.cancel();
        } catch (Exception error) {
          error.printStackTrace();
        }
      });
      thread.start();
      try {
        return result(statement, statement.execute(sql));
      } finally {
        thread.join();
      }
    }
  }

  private static String result(Statement statement, boolean hasRows) throws SQLException {
    StringBuilder said = new StringBuilder("{");
    if (hasRows) {
      List<String> values = new ArrayList<>();
      try (ResultSet rows = statement.getResultSet()) {
        while (rows.next()) values.add(quoted(rows.getString(1)));
      }
      said.append("\"rows\":").append(values);
    } else {
      said.append("\"count\":").append(statement.getUpdateCount());
    }
    List<String> notices = new ArrayList<>();
    for (SQLWarning one = statement.getWarnings(); one != null; one = one.getNextWarning())
      notices.add(quoted(one.getMessage()));
    return said.append(",\"notices\":").append(notices).append("}").toString();
  }

  private static String told(SQLException error) {
    return "{\"code\":" + quoted(error.getSQLState()) + ",\"error\":" + quoted(error.getMessage()) + "}";
  }

  private static String quoted(String text) {
    if (text == null) return "null";
    StringBuilder out = new StringBuilder("\"");
    for (char c : text.toCharArray())
      if (c < ' ' || c == '"' || c == '\\' || c > '~') out.append(String.format("\\u%04x", (int) c));
      else out.append(c);
    return out.append('"').toString();
  }

  private static void say(String line) {
    System.out.println(line);
    System.out.flush();
  }
}
