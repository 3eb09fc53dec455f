// pgjdbc, as jshell runs it: metadata as database tools read it, text and binary, fetch size, cancel, COPY.
import java.math.BigDecimal;
import java.sql.*;
import java.time.*;
import java.util.*;

String env(String name) { return System.getenv(name); }
int failed = 0;
interface Body { Object run() throws Exception; }
void step(String name, Body body) {
    try {
        Object said = body.run();
        System.out.println("ok   " + name + (said == null ? "" : ": " + said));
    } catch (Throwable error) {
        failed++;
        System.out.println("FAIL " + name + ": " + String.valueOf(error).replaceAll("\\s+", " "));
    }
}
void same(Object found, Object expected, String what) {
    boolean equal = found instanceof byte[] a && expected instanceof byte[] b
        ? Arrays.equals(a, b) : Objects.equals(found, expected);
    if (!equal) throw new AssertionError(what + ": found " + found + ", expected " + expected);
}

String url = "jdbc:postgresql://" + env("PGHOST") + ":" + env("PGPORT") + "/" + env("PGDATABASE");
Properties properties(String... more) {
    Properties all = new Properties();
    all.setProperty("user", env("PGUSER"));
    all.setProperty("password", env("PGPASSWORD"));
    all.setProperty("sslmode", "verify-full");
    all.setProperty("sslrootcert", env("PGSSLROOTCERT"));
    for (int at = 0; at < more.length; at += 2) all.setProperty(more[at], more[at + 1]);
    return all;
}
long legs = Long.parseLong(env("LEGS"));
Connection conn = DriverManager.getConnection(url, properties());
Object one(Connection conn, String sql, Object... parameters) throws SQLException {
    try (PreparedStatement statement = conn.prepareStatement(sql)) {
        for (int at = 0; at < parameters.length; at++) statement.setObject(at + 1, parameters[at]);
        try (ResultSet rows = statement.executeQuery()) {
            rows.next();
            return rows.getObject(1);
        }
    }
}
List<String> column(ResultSet rows, String name) throws SQLException {
    List<String> all = new ArrayList<>();
    while (rows.next()) all.add(rows.getString(name));
    return all;
}
String big = "select n as number, l.leg_id, l.queue_duration_ms, l.entered_time, n % 2 = 0 as even " +
    "from (select * from queue_leg order by leg_id limit 100) l cross join generate_series(1, 1000) as g(n)";
OffsetDateTime instant = OffsetDateTime.parse("2026-03-29T01:30:00.123456Z");

step("connect with TLS and SCRAM", () -> {
    DatabaseMetaData about = conn.getMetaData();
    return "pgjdbc " + about.getDriverVersion() + ", server " + about.getDatabaseProductVersion() + ", valid " + conn.isValid(5);
});
step("rows of a table", () -> { same(one(conn, "select count(*) from queue_leg"), legs, "count"); return null; });

Object[][] types = {
    {"text", "grüße"}, {"boolean", true}, {"integer", -2147483648}, {"bigint", 9223372036854775807L},
    {"real", 1.5f}, {"double precision", 2.25}, {"numeric(20,3)", new BigDecimal("123456.789")},
    {"date", java.sql.Date.valueOf("2026-02-28")}, {"timestamp", Timestamp.valueOf("2026-03-29 10:30:00.123456")},
    {"bytea", new byte[] {0, (byte) 255}},
};
void everyType(Connection conn) throws SQLException {
    for (Object[] type : types) same(one(conn, "select cast(? as " + type[0] + ")", type[1]), type[1], (String) type[0]);
    try (PreparedStatement statement = conn.prepareStatement("select cast(? as timestamptz), array['a', null, 'c'], cast('12:34:56' as time)")) {
        statement.setObject(1, instant);
        ResultSet rows = statement.executeQuery();
        rows.next();
        same(rows.getObject(1, OffsetDateTime.class), instant, "timestamptz");
        same(Arrays.asList((Object[]) rows.getArray(2).getArray()), Arrays.asList("a", null, "c"), "text[]");
        same(rows.getObject(3, LocalTime.class), LocalTime.of(12, 34, 56), "time");
    }
}
step("parameters of every type", () -> { everyType(conn); return null; });
step("the same in binary, prepared by name at once", () -> {
    try (Connection binary = DriverManager.getConnection(url, properties("prepareThreshold", "-1"))) {
        for (int again = 0; again < 3; again++) everyType(binary);
    }
    return null;
});
step("the simple protocol, with values in the text", () -> {
    try (Connection simple = DriverManager.getConnection(url, properties("preferQueryMode", "simple"))) {
        for (Object[] type : types) {
            // This version writes no bytes into a text, and a date with a time zone, which is not read here.
            if (!type[0].equals("bytea") && !type[0].equals("date")) same(one(simple, "select (?)::" + type[0], type[1]), type[1], (String) type[0]);
        }
    }
    return null;
});
step("NULL of every type", () -> {
    for (Object[] type : types) same(one(conn, "select cast(? as " + type[0] + ")", new Object[] {null}), null, (String) type[0]);
    return null;
});
step("parameters without a cast", () -> {
    Object found = one(conn, "select count(*) from queue_leg where outcome = ? and queue_duration_ms > ? and entered_time < ?",
        "answered", 5000, instant);
    same(found, one(conn, "select count(*) from queue_leg where outcome = 'answered' and queue_duration_ms > 5000 "
        + "and entered_time < timestamptz '2026-03-29 01:30:00.123456+00'"), "count");
    return null;
});
step("a prepared statement, run ten times", () -> {
    try (PreparedStatement statement = conn.prepareStatement("select ?::int + 1")) {
        for (int n = 0; n < 10; n++) {
            statement.setInt(1, n);
            ResultSet rows = statement.executeQuery();
            rows.next();
            same(rows.getInt(1), n + 1, "next");
        }
    }
    return null;
});
step("100,000 rows", () -> {
    long count = 0;
    try (ResultSet rows = conn.createStatement().executeQuery(big)) { while (rows.next()) count++; }
    same(count, 100000L, "rows");
    return null;
});
step("100,000 rows by fetch size in a transaction", () -> {
    long count = 0;
    conn.setAutoCommit(false);
    try (Statement statement = conn.createStatement()) {
        statement.setFetchSize(3000);
        try (ResultSet rows = statement.executeQuery(big)) { while (rows.next()) count++; }
        conn.commit();
    } finally {
        conn.rollback();
        conn.setAutoCommit(true);
    }
    same(count, 100000L, "rows");
    return null;
});
DatabaseMetaData about = conn.getMetaData();
step("getSchemas, getCatalogs, getTableTypes", () -> {
    if (!column(about.getSchemas(), "TABLE_SCHEM").contains("public")) throw new AssertionError("no schema public");
    column(about.getCatalogs(), "TABLE_CAT");
    return String.join(", ", column(about.getTableTypes(), "TABLE_TYPE").subList(0, 3)) + ", …";
});
step("getTables", () -> {
    List<String> names = column(about.getTables(null, "public", "%", new String[] {"TABLE", "VIEW"}), "TABLE_NAME");
    if (!names.contains("queue_leg")) throw new AssertionError(names);
    return names.size() + " tables and views";
});
step("getColumns", () -> {
    Map<String, Integer> found = new TreeMap<>();
    try (ResultSet rows = about.getColumns(null, "public", "queue_leg", "%")) {
        while (rows.next()) found.put(rows.getString("COLUMN_NAME"), rows.getInt("DATA_TYPE"));
    }
    same(found.get("queue_duration_ms"), Types.BIGINT, "queue_duration_ms");
    same(found.get("entered_time"), Types.TIMESTAMP, "entered_time");
    return found.size() + " columns";
});
step("getPrimaryKeys", () -> column(about.getPrimaryKeys(null, "public", "queue_leg"), "COLUMN_NAME"));
step("getIndexInfo, getImportedKeys, getExportedKeys, getBestRowIdentifier", () -> {
    column(about.getIndexInfo(null, "public", "queue_leg", false, false), "INDEX_NAME");
    column(about.getImportedKeys(null, "public", "queue_leg"), "FKCOLUMN_NAME");
    column(about.getExportedKeys(null, "public", "queue_leg"), "FKCOLUMN_NAME");
    column(about.getBestRowIdentifier(null, "public", "queue_leg", DatabaseMetaData.bestRowSession, true), "COLUMN_NAME");
    return null;
});
step("getTypeInfo", () -> column(about.getTypeInfo(), "TYPE_NAME").size() + " types");
step("getProcedures, getFunctions, getFunctionColumns", () -> {
    column(about.getProcedures(null, "public", "%"), "PROCEDURE_NAME");
    column(about.getFunctionColumns(null, "public", "sl_%", "%"), "FUNCTION_NAME");
    return column(about.getFunctions(null, "public", "%"), "FUNCTION_NAME").size() + " functions";
});
step("getTablePrivileges, getColumnPrivileges, getUDTs, getClientInfoProperties", () -> {
    column(about.getTablePrivileges(null, "public", "queue_leg"), "PRIVILEGE");
    column(about.getColumnPrivileges(null, "public", "queue_leg", "%"), "PRIVILEGE");
    column(about.getUDTs(null, "public", "%", null), "TYPE_NAME");
    column(about.getClientInfoProperties(), "NAME");
    return null;
});
step("columns of an answer know their table", () -> {
    try (PreparedStatement statement = conn.prepareStatement("select leg_id, queue_duration_ms as ms from queue_leg")) {
        ResultSetMetaData columns = statement.getMetaData();
        same(columns.getColumnType(2), Types.BIGINT, "type");
        same(columns.getColumnLabel(2), "ms", "label");
    }
    return null;
});
step("COPY TO STDOUT", () -> {
    java.io.StringWriter writer = new java.io.StringWriter();
    long rows = new org.postgresql.copy.CopyManager((org.postgresql.core.BaseConnection) conn)
        .copyOut("copy (select leg_id from queue_leg) to stdout with (format csv)", writer);
    same(rows, legs, "rows");
    same(writer.toString().lines().count(), legs, "lines");
    return null;
});
step("read-only and isolation of a connection", () -> {
    conn.setReadOnly(true);
    conn.setAutoCommit(false);
    one(conn, "select 1");
    conn.commit();
    conn.setAutoCommit(true);
    conn.setReadOnly(false);
    return "isolation " + conn.getTransactionIsolation() + ", schema " + conn.getSchema();
});
step("cancel", () -> {
    try (Statement statement = conn.createStatement()) {
        new java.util.Timer(true).schedule(new java.util.TimerTask() {
            public void run() { try { statement.cancel(); } catch (SQLException ignored) { } }
        }, 500);
        statement.executeQuery("select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b");
        throw new AssertionError("it was not cancelled");
    } catch (SQLException error) {
        same(error.getSQLState(), "57014", "state");
    }
    same(one(conn, "select 1"), 1, "after it");
    return null;
});
step("a query time-out", () -> {
    try (Statement statement = conn.createStatement()) {
        statement.setQueryTimeout(1);
        statement.executeQuery("select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b");
        throw new AssertionError("it did not end");
    } catch (SQLException error) {
        same(error.getSQLState(), "57014", "state");
    }
    return null;
});
conn.close();
System.out.flush();
/exit failed == 0 ? 0 : 1
